"""Guessing passwords is slowed down, for an address and for a name, and a right password still works elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sample_rows
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

LIMIT = settings.AXES_FAILURE_LIMIT


def attempt(client: Client, password: str, name: str = "chief") -> int:
    """Status of one login."""
    return client.post(reverse("admin:login"), {"username": name, "password": password}).status_code


def test_after_five_wrong_passwords_there_is_a_pause(db: None, redis_db: object) -> None:
    sample_rows.person("chief")
    client = Client(REMOTE_ADDR="192.0.2.7")
    assert [attempt(client, "wrong") for _ in range(LIMIT)] == [200] * (LIMIT - 1) + [429]
    answer = client.post(reverse("admin:login"), {"username": "chief", "password": "let-me-in-please"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == settings.AXES_COOLOFF_TIME.total_seconds()
    assert b"paused for" in answer.content
    # another address with another name is not held up
    sample_rows.person("second")
    assert attempt(Client(REMOTE_ADDR="192.0.2.8"), "let-me-in-please", "second") == 302


def test_behind_a_proxy_each_client_is_paused_for_itself(db: None, redis_db: object, settings: Any) -> None:
    settings.BEHIND_PROXY = True
    sample_rows.person("second")
    guesser: dict[str, Any] = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.5, 198.51.100.7"}
    for _ in range(LIMIT):
        attempt(Client(**guesser), "wrong", "second")
    assert attempt(Client(**guesser), "let-me-in-please", "second") == 429
    made_up = {**guesser, "HTTP_X_FORWARDED_FOR": "192.0.2.1, 198.51.100.7"}
    assert attempt(Client(**made_up), "let-me-in-please", "second") == 429
    other = {**guesser, "HTTP_X_FORWARDED_FOR": "203.0.113.5, 198.51.100.8"}
    assert attempt(Client(**other), "let-me-in-please", "second") == 302


def test_a_right_password_forgets_the_wrong_ones(db: None, redis_db: object) -> None:
    sample_rows.person("chief")
    client = Client(REMOTE_ADDR="192.0.2.9")
    for _ in range(3):
        assert [attempt(client, "wrong") for _ in range(LIMIT - 1)] == [200] * (LIMIT - 1)
        assert attempt(client, "let-me-in-please") == 302
        client.logout()


def test_a_name_is_paused_at_one_address_in_any_case(db: None) -> None:
    sample_rows.person("chief")
    for _ in range(LIMIT):
        attempt(Client(REMOTE_ADDR="192.0.2.1"), "wrong", "Chief")
    assert attempt(Client(REMOTE_ADDR="192.0.2.1"), "let-me-in-please") == 429


def test_the_pause_ends_though_somebody_goes_on_guessing(db: None) -> None:
    sample_rows.person("chief")
    begin = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    with time_machine.travel(begin, tick=False) as now:
        for _ in range(LIMIT + 3):
            attempt(Client(REMOTE_ADDR="198.51.100.1"), "wrong")
            now.shift(1)
        now.shift(settings.AXES_COOLOFF_TIME)
        assert attempt(Client(REMOTE_ADDR="198.51.100.1"), "let-me-in-please") == 302
