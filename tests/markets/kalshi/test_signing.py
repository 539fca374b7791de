"""Signatures are checked with the public key, as the exchange does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from markets.kalshi.errors import CredentialError
from markets.kalshi.signing import Signer

from .conftest import KEY_ID, pem_of

PATH = "/trade-api/v2/portfolio/orders"
TEXT = b"1795400000123GET/trade-api/v2/portfolio/orders"


def signature(headers: dict[str, str]) -> bytes:
    return base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)


def test_an_rsa_key_signs_pss_with_sha256_and_a_salt_of_32_bytes(rsa_key: rsa.RSAPrivateKey) -> None:
    headers = Signer.from_pem(KEY_ID, pem_of(rsa_key)).headers("get", PATH, 1795400000123)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    rsa_key.public_key().verify(signature(headers), TEXT, pss, hashes.SHA256())
    assert headers["KALSHI-ACCESS-KEY"] == KEY_ID
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1795400000123"


def test_an_ed25519_key_signs_the_text_itself(ed25519_key: ed25519.Ed25519PrivateKey) -> None:
    headers = Signer.from_pem(KEY_ID, pem_of(ed25519_key)).headers("GET", PATH, 1795400000123)
    ed25519_key.public_key().verify(signature(headers), TEXT)


def test_the_kind_of_key_is_read_from_the_key_and_not_from_the_pem_header(rsa_key: rsa.RSAPrivateKey) -> None:
    old_header = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert b"BEGIN RSA PRIVATE KEY" in old_header
    headers = Signer.from_pem(KEY_ID, old_header).headers("GET", PATH, 1795400000123)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    rsa_key.public_key().verify(signature(headers), TEXT, pss, hashes.SHA256())


def test_the_query_is_never_signed(ed25519_key: ed25519.Ed25519PrivateKey) -> None:
    headers = Signer.from_pem(KEY_ID, pem_of(ed25519_key)).headers("GET", PATH + "?ticker=A&limit=5", 1795400000123)
    ed25519_key.public_key().verify(signature(headers), TEXT)


def test_a_key_comes_from_a_file(tmp_path: Path, ed25519_key: ed25519.Ed25519PrivateKey) -> None:
    path = tmp_path / "kalshi.pem"
    path.write_bytes(pem_of(ed25519_key))
    assert Signer.from_file(KEY_ID, path).key_id == KEY_ID


def encrypted(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda key: b"not a key", "not a readable PEM"),
        (lambda key: b"", "not a readable PEM"),
        (encrypted, "passphrase"),
        (lambda key: pem_of(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
        (lambda key: pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
    ],
)
def test_an_unusable_key_is_refused_in_one_sentence(
    rsa_key: rsa.RSAPrivateKey, make: Callable[[PrivateKeyTypes], bytes], words: str
) -> None:
    with pytest.raises(CredentialError, match=words) as refused:
        Signer.from_pem(KEY_ID, make(rsa_key))
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key_id", ["", "  ", "two\nlines", "schlüssel"])
def test_a_key_id_that_no_header_may_carry_is_refused(ed25519_key: ed25519.Ed25519PrivateKey, key_id: str) -> None:
    with pytest.raises(CredentialError, match="key id"):
        Signer.from_pem(key_id, pem_of(ed25519_key))


def test_a_missing_file_is_named_as_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="cannot be read"):
        Signer.from_file(KEY_ID, tmp_path / "absent.pem")


def test_the_private_key_does_not_show(rsa_key: rsa.RSAPrivateKey) -> None:
    assert repr(Signer.from_pem(KEY_ID, pem_of(rsa_key))) == f"Signer('{KEY_ID}')"
