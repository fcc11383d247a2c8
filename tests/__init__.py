"""Tests, by the part they hold to its word. Real parts; fakes only for time and randomness."""
