"""Crashes and loss: what was accepted is there once, in order, for everybody entitled, whatever was killed and when.

`python -m tests.crash` is the long form: random kills under traffic. The tests kill one process at one system call, by
strace, which needs no hooks in the product. Imports the client and the server's process, never its inside.
"""
