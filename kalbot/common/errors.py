"""Errors that a person can read."""


class KalbotError(Exception):
    """Base of errors that carry a sentence for a person."""


class SettingError(KalbotError):
    """A setting is missing or wrong."""
