"""The REST surface: one function per operation, all over ``simulator.exchange.Exchange``."""
