"""Keeps secrets out of what is stored for people to read."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings

_PATTERNS = [
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), "[private key]"),
    (re.compile(r"(KALSHI-ACCESS-(?:SIGNATURE|KEY)['\"]?\s*[:=]\s*['\"]?)[\w+/=.-]+", re.I), r"\1[hidden]"),
    (re.compile(r"(://[^/\s:@]*:)[^@\s/]+@"), r"\1[hidden]@"),
    (
        re.compile(r"((?:password|passwd|secret|token|authorization)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+", re.I),
        r"\1[hidden]",
    ),
]


@cache
def _literals() -> list[str]:
    names = ("SECRET_KEY", "KALSHI_PRIVATE_KEY", "KALSHI_KEY_ID", "NOTIFY_KEY", "DEADMAN_URL")
    return [value for value in (str(getattr(settings, name, "")) for name in names) if len(value) >= 8]


def scrub(text: str) -> str:
    """``text`` without private keys, signatures, passwords in addresses, and the values of our own secret settings."""
    for literal in _literals():
        text = text.replace(literal, "[hidden]")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
