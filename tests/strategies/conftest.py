"""What every test of this package needs: an empty Redis."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object) -> None:
    """See ``tests.conftest`` for what processes remember."""
