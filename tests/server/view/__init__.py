"""The view's file: what it survives, and what it refuses."""
