"""The small exchange of ``world`` as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.exchange import Exchange

from .world import Client, make_exchange, write_snapshot


@pytest.fixture(scope="session")
def snapshot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_snapshot(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture
def make(snapshot_folder: Path) -> Callable[..., Exchange]:
    return lambda **settings: make_exchange(snapshot_folder, **settings)


@pytest.fixture
def exchange(make: Callable[..., Exchange]) -> Exchange:
    return make()


@pytest.fixture
def client(exchange: Exchange) -> Client:
    return Client(exchange)
