"""Coterie: private communications for people who vouch for one another.

The parts and the arrows between them are drawn in ARCHITECTURE.md; imports point downwards only.
"""

__version__ = "0.1.0"
