"""Sample rows, people of each role, and clients logged in as them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sample_rows
from django.core.cache import cache
from django.test import Client

from kalbot.common import clock
from kalbot.console.ops.health import exchange_status


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """What a process keeps for a moment (choices of filters, sums of the ledger) belongs to one test."""
    cache.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """A second of key stretching for each login belongs to production."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def static_files_when_wanted(settings: Any) -> None:
    """Each client would list every static file first."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def no_usual_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange's weekly pause is not now, whatever day it is."""
    monkeypatch.setattr(
        exchange_status, "USUAL_DAY", (clock.now().astimezone(exchange_status.EASTERN).weekday() + 3) % 7
    )


@pytest.fixture
def sample(db: None, redis_db: object) -> dict[str, Any]:
    """Rows of every kind (see sample_rows), with prices in Redis."""
    made: dict[str, Any] = sample_rows.sample()
    return made


@pytest.fixture
def login(db: None) -> Callable[..., Client]:
    """``login("operator")`` gives a client of somebody with that role; ``login()`` of a superuser."""

    def make(role: str = "", name: str = "") -> Client:
        client = Client()
        client.force_login(sample_rows.person(name or (role.replace(" ", "-") or "chief"), role))
        return client

    return make
