"""The server: one ordered log, and hubs that apply it and serve devices (docs/protocol/log.md).

connection → intake → log → rules → view → followers. Imports `trust` and `wire`, never `client`, `group` or `store`.
"""
