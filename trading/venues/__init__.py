"""Where orders go: the exchange, or paper against its live book. One protocol."""
