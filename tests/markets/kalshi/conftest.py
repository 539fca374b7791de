"""Keys, a scripted exchange, and a client that does not really sleep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import BASIC, LocalLimiter

from .scripted import Script, scripted_exchange

KEY_ID = "0f9b2c1e-2a6b-4b43-9c29-2d3f6f0c7a55"


def pem_of(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def signer(ed25519_key: ed25519.Ed25519PrivateKey) -> Signer:
    return Signer.from_pem(KEY_ID, pem_of(ed25519_key))


@pytest.fixture
def exchange() -> Iterator[Script]:
    with scripted_exchange() as script:
        yield script


@pytest.fixture
def naps() -> list[float]:
    """Seconds that the client would have slept between tries."""
    return []


@pytest.fixture
def client(exchange: Script, signer: Signer, naps: list[float]) -> Iterator[KalshiClient]:
    with KalshiClient(exchange.environment, signer, LocalLimiter(BASIC, sleep=naps.append), timeout=(5.0, 5.0)) as made:
        made.transport.sleep = naps.append
        yield made


def yaml_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)
    return found


@pytest.fixture(scope="session")
def openapi(shared: Path) -> dict[str, Any]:
    return yaml_of(shared / "openapi.yaml")


@pytest.fixture(scope="session")
def asyncapi(shared: Path) -> dict[str, Any]:
    return yaml_of(shared / "asyncapi.yaml")
