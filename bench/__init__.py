"""What Coterie costs, measured on this machine: `python -m bench [NAME…]` (docs/performance.md).

Each measure starts what it needs in a folder of its own, with real parts: server, engine, TLS, fsync. Nothing leaves
the loopback, everything ends by itself. Imports the product; nothing of the product imports this.
"""
