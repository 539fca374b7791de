"""Django's backend for Postgres, whose connections do not wait for ever. See ``base``."""
