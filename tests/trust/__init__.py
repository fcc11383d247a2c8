"""Register, seals, invites: pure, so everything here is real but the clock and the dice."""
