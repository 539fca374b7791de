"""Addresses of channels hold passwords and tokens: they are encrypted in the database and never rendered.

Fernet (AES-128-CBC with HMAC-SHA256, package cryptography); its key is derived from ``NOTIFY_KEY``, or from ``SECRET_KEY`` where that is
empty. After a change of the key the addresses cannot be read any more and have to be entered again.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from kalbot.common.errors import KalbotError


class Unreadable(KalbotError):
    """An address that was encrypted under another key."""


def _fernet() -> Fernet:
    secret = settings.NOTIFY_KEY or settings.SECRET_KEY
    return Fernet(
        base64.urlsafe_b64encode(hashlib.scrypt(secret.encode(), salt=b"kalbot notify", n=2**12, r=8, p=1, dklen=32))
    )


def encrypt(address: str) -> str:
    """The form in which an address is stored."""
    return _fernet().encrypt(address.encode()).decode()


def decrypt(stored: str) -> str:
    """The address itself. Raises Unreadable."""
    try:
        return _fernet().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise Unreadable("The address was stored under another key; enter it again.") from error
