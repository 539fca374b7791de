"""What was released is not edited: a database that ran a migration never runs it again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASED = sorted((ROOT / "tests" / "data").glob("migrations-*.sha256"))


def test_there_is_a_list_of_each_release() -> None:
    assert [path.stem for path in RELEASED] == ["migrations-0.2.0"]


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_released_migrations_are_as_they_were(released: Path) -> None:
    lines = [line.split() for line in released.read_text().splitlines()]
    assert len(lines) == 16
    for wanted, name in lines:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == wanted, name
