"""Errors that a person can read."""


class KalbotError(Exception):
    """Base of errors that carry a sentence for a person."""


class SettingError(KalbotError):
    """A setting is missing or wrong."""


class Infeasible(KalbotError):
    """Something cannot be done now, for a reason with a code."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
