"""MLS (RFC 9420) for Coterie. The surface and its promises are in `__init__.pyi`; the code is Rust, in `_native`."""

from ._native import *  # noqa: F403 - the stub lists each name, and a test compares

Row = tuple[bytes, bytes]
Write = tuple[bytes, bytes | None]
