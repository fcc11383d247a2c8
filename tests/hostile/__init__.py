"""The attacks of a hostile server and of hostile members, played with real parts (docs/hostile.md)."""
