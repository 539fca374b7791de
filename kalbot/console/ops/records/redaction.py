"""Keeps secrets out of what is stored for people to read."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

_REDIS = ("REDIS_URL", "BROKER_URL", "PRICES_URL")
_NAMES = r"(?:password|passwd|secret|token|authorization|api[-_]?key|x-auth-key)"
_PATTERNS = [
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), "[private key]"),
    (re.compile(r"(KALSHI-ACCESS-(?:SIGNATURE|KEY)['\"]?\s*[:=]\s*['\"]?)[\w+/=.-]+", re.I), r"\1[hidden]"),
    (re.compile(r"(://[^/\s:@]*:)\S+@(?=[\w.\[-])"), r"\1[hidden]@"),
    (re.compile(rf"({_NAMES}['\"]?\s*[:=]\s*)(['\"])(?:(?!\2).)+\2", re.I), r"\1[hidden]"),
    (re.compile(rf"({_NAMES}['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|token)\s+)?[^\s'\",;&]+", re.I), r"\1[hidden]"),
    (re.compile(r"\b(bearer\s+)[\w.~+/=-]{8,}", re.I), r"\1[hidden]"),
    (re.compile(r"\bkb_[\w-]{20,}"), "[token]"),
]


@cache
def _literals() -> list[str]:
    names = ("SECRET_KEY", "KALSHI_PRIVATE_KEY", "KALSHI_KEY_ID", "NOTIFY_KEY", "DEADMAN_URL", "FRED_API_KEY")
    found = [str(getattr(settings, name, "")) for name in names]
    address = urlsplit(settings.DEADMAN_URL)
    found += [address.path.strip("/"), address.query]  # libraries log the parts of an address
    found += [urlsplit(str(getattr(settings, name, ""))).password or "" for name in ("DATABASE_URL", *_REDIS)]
    return sorted({value for value in found if len(value) >= 8}, key=len, reverse=True)


def scrub(text: str) -> str:
    """``text`` without private keys, signatures, passwords in addresses, and the values of our own secret settings."""
    for literal in _literals() if settings.configured else ():  # a line may be written while the settings are read
        text = text.replace(literal, "[hidden]")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
