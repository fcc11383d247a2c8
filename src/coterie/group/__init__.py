"""Rooms as MLS groups: what stands in a leaf, a context, a head, an entry, an inbox; and who may change what.

The only package that imports `coterie_mls` (docs/protocol/groups.md, inbox.md). It judges and encodes; it does no I/O,
has no clock and no randomness of its own, and imports only `trust` and `wire` besides. Import the modules.
"""
