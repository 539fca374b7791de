"""Commands name whoever runs them, also a user who has no name where they run, and show nobody else a password."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.core.management import call_command

from kalbot.console.models import Act
from kalbot.local import backup
from trading.models import TradingState


def test_a_user_without_a_name_halts_and_resumes(
    db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As in a container that runs as the user of its host."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    call_command("halt", reason="fire drill")
    row = TradingState.objects.get(scope="global")
    assert (row.state, row.actor) == ("reducing", "uid 54321")
    call_command("resume", reason="it is over")
    assert set(Act.objects.values_list("actor", flat=True)) == {"uid 54321"}


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        (
            "postgres://kalbot:s3cr%40t@db:5432/kalbot?sslmode=require",
            "postgres://kalbot@db:5432/kalbot?sslmode=require",
            "s3cr@t",
        ),
        ("postgres:///kalbot?host=/run", "postgres:///kalbot?host=/run", None),
        ("postgresql://kalbot@[::1]/kalbot", "postgresql://kalbot@[::1]/kalbot", None),
    ],
)
def test_the_list_of_processes_shows_no_password(url: str, shown: str, password: str | None, settings: Any) -> None:
    settings.DATABASE_URL = url
    assert backup.without_password(url) == shown
    assert backup.secret() == ({"PGPASSWORD": password} if password else {})
