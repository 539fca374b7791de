"""Django's backend for SQLite, which converts a statement once. See ``base``."""
