"""The coterie's register as this device has it, how it came in, and what it changes there."""
