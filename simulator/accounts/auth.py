"""Signatures of docs/kalshi-protocol.md 2: RSA-PSS (SHA-256, salt 32) and Ed25519 over timestamp + METHOD + path."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from simulator.errors import ApiError

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class CredentialsError(Exception):
    """A credentials folder cannot be used; the message is one sentence for a person."""


def _refused(code: str, details: str | None = None) -> ApiError:
    return ApiError(401, code, code.replace("_", " "), details)


@dataclass(slots=True)
class Key:
    """A registered key with its scopes and, if it is locked, its subaccount."""

    key_id: str
    public: PublicKey
    scopes: tuple[str, ...] = ("read", "write")
    subaccount: int | None = None
    name: str = "simulator"


@dataclass(slots=True)
class KeyRing:
    """The keys of the API user. ``region_expiration_s`` is what ``GET /api_keys`` reports."""

    keys: dict[str, Key] = field(default_factory=dict)
    window_ms: int = 10_000
    region_expiration_s: int | None = None

    def check(self, headers: Mapping[str, str], method: str, path: str, now_ms: int) -> Key:
        """The key that signed a request, or 401. ``headers`` in lower case, ``path`` from the root without the query."""
        key_id = headers.get("kalshi-access-key", "")
        stamp = headers.get("kalshi-access-timestamp", "")
        signature = headers.get("kalshi-access-signature", "")
        if not (key_id and stamp and signature):
            raise _refused("signature_is_missing_from_headers")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 17) or abs(now_ms - int(stamp)) > self.window_ms:
            raise _refused("header_timestamp_expired")
        key = self.keys.get(key_id)
        if key is None:
            raise _refused("authentication_error", "NOT_FOUND")
        if not verify(key.public, signature, f"{stamp}{method.upper()}{path}".encode()):
            raise _refused("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
        return key


def verify(public: PublicKey, signature: str, message: bytes) -> bool:
    """Whether a base64 signature is the key's over ``message``."""
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(raw, message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        else:
            public.verify(raw, message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def sign(private: PrivateKey, message: bytes) -> str:
    """A base64 signature as a client makes it; for tests and for the measuring script."""
    if isinstance(private, rsa.RSAPrivateKey):
        raw = private.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        raw = private.sign(message)
    return base64.b64encode(raw).decode()


def signed_headers(key_id: str, private: PrivateKey, method: str, path: str, now_ms: int) -> dict[str, str]:
    """The three headers of a signed request."""
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(now_ms),
        "KALSHI-ACCESS-SIGNATURE": sign(private, f"{now_ms}{method.upper()}{path}".encode()),
    }


def load_or_create(folder: Path, kind: str = "rsa") -> tuple[Key, PrivateKey]:
    """The key of a credentials folder (``key_id``, ``private_key.pem``), written if there is none; CredentialsError if unusable."""
    id_file, pem_file = folder / "key_id", folder / "private_key.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not pem_file.exists():
            _write_new(id_file, pem_file, kind)
        private = serialization.load_pem_private_key(pem_file.read_bytes(), None)
        key_id = id_file.read_text("utf-8").strip()
    except OSError as error:
        raise CredentialsError(f"the credentials folder {folder} cannot be used: {error.strerror or error}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CredentialsError(f"{pem_file} is not an unencrypted PEM private key") from None
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise CredentialsError(f"{pem_file} is neither an RSA nor an Ed25519 key")
    if not key_id:
        raise CredentialsError(f"{id_file} is empty")
    return Key(key_id, private.public_key()), private


def _write_new(id_file: Path, pem_file: Path, kind: str) -> None:
    private: PrivateKey = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if not id_file.exists():
        id_file.write_text(f"{uuid4()}\n", "utf-8")
    descriptor = os.open(pem_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(pem)
