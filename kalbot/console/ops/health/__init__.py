"""Is it working? The parts of the status, and what they are read from."""
