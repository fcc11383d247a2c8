"""The bench harness, tried for a second."""
