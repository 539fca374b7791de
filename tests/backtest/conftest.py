"""A replay brings a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker


@pytest.fixture
def own_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Replays in memory and nothing else: any query of the product's own database fails, so there is nothing to repeat on Postgres."""
    with django_db_blocker.unblock(), connection.execute_wrapper(_refused):
        yield


def _refused(execute: Any, sql: str, params: object, many: bool, context: object) -> None:
    raise AssertionError(f"only replays belong into this test; mark it django_db: {sql}")
