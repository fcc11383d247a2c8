"""What people and programs are told about bad input, kind by kind, and that nothing is lost by it."""
