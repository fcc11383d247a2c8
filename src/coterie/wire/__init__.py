"""What a device and a hub say to each other (docs/protocol/frames.md): frames, limits, queue ids. Shared by both sides.

Pure: bytes in, frames or `MalformedFrame` out. Imports only `coterie.ids` and `coterie.errors`.
"""
