"""Linking a further device of a member: the channel between the two, what each does, and the history that goes across
(docs/protocol/link.md).

`messages` and `channel` do no I/O; `relay` is their way through the server; `old_device` and `new_device` are the two
sides. Imports the rest of the client, never the command line.
"""
