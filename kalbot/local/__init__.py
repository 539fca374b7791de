"""Everything on one machine: embedded servers, the supervisor, and the demo with its live screen. Not used in production."""
