"""Requests without an answer: whether anything left, and why, in words for a person."""

from __future__ import annotations

import re
from typing import Final

import requests
import urllib3

_OBJECT: Final = re.compile(r"^_?\w+\(host=[^)]*\): ")
"""What urllib3 calls its own connection before it says what happened to it."""
_SECONDS: Final = re.compile(r"read timeout=(?P<number>[\d.]+)")


def nothing_was_sent(error: requests.RequestException) -> bool:
    """Whether the connection itself could not be made, so that no byte of the request left."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)


def describe(error: Exception) -> str:
    """A short reason in words, without addresses and names of the libraries' objects."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout):
        found = _SECONDS.search(str(error))
        return f"no answer within {found['number'].removesuffix('.0')} s" if found else "no answer in time"
    cause: object = error.args[0] if error.args else error
    text = _OBJECT.sub("", str(getattr(cause, "reason", None) or cause))
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"no connection: {text}"[:300]
    return f"{type(error).__name__}: {text}"[:300]
