"""Rooms as MLS groups: what stands in a leaf, a context, a head, an entry, an inbox; and who may change what.

It knows what MLS leaves to the application (docs/protocol/groups.md, inbox.md). It judges and encodes; it does no I/O,
has no clock and no randomness of its own. It imports only `coterie_mls`, `trust` and `wire`. Import the modules.
"""
