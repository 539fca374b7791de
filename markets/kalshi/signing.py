"""Signatures of docs/kalshi-protocol.md 2: RSA-PSS and Ed25519 over timestamp + METHOD + path."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from .errors import CredentialError

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
_SHA256 = hashes.SHA256()


class Signer:
    """Signs requests with one API key. Holds the private key; its repr shows only the key id."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: str, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    @classmethod
    def from_file(cls, key_id: str, path: str | Path) -> Signer:
        """The key in a PEM file. Raises CredentialError with one sentence a person can act on."""
        try:
            pem = Path(path).read_bytes()
        except OSError as error:
            raise CredentialError(f"The private key file cannot be read: {error.strerror or error}.") from None
        return cls.from_pem(key_id, pem)

    @classmethod
    def from_pem(cls, key_id: str, pem: bytes) -> Signer:
        """The key in a PEM text (a secret).

        The kind is read from the parsed key: the PEM header does not say.
        """
        if not key_id.strip() or not key_id.isascii() or not key_id.isprintable():
            raise CredentialError("The API key id is empty or holds characters that no HTTP header may carry.")
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except TypeError:
            raise CredentialError("The private key is protected by a passphrase; store it without one.") from None
        except (ValueError, UnsupportedAlgorithm):
            raise CredentialError("The private key is not a readable PEM private key.") from None
        if isinstance(key, rsa.RSAPrivateKey):
            if key.key_size < 2048:
                raise CredentialError(f"The RSA key has {key.key_size} bits; 2048 are the least.")
            return cls(key_id.strip(), key)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(key_id.strip(), key)
        raise CredentialError("The private key is neither RSA nor Ed25519, the two kinds Kalshi accepts.")

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        """The three headers of a signed request.

        ``path`` is the full path from the root, as sent; a query string is cut off because it is never
        signed. ``now_ms`` is Unix time in milliseconds; take it afresh for every try, a signature is good for
        seconds only.
        """
        timestamp = str(now_ms)
        text = f"{timestamp}{method.upper()}{path.partition('?')[0]}".encode()
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(text, _PSS, _SHA256)
        else:
            signature = self._key.sign(text)
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode("ascii"),
        }

    def __repr__(self) -> str:
        return f"Signer({self.key_id!r})"
