"""Two exchanges, or two installations, are never taken for one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kalbot.common import cache
from kalbot.console.models import Act
from kalbot.console.ops.health import status
from markets import identity
from markets.models import Installation

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("setting", "value", "difference"),
    [
        ("KALSHI_REST_URL", "https://elsewhere.example/trade-api/v2", "rest host is"),
        ("KALSHI_WS_URL", "wss://elsewhere.example/trade-api/ws/v2", "ws host is"),
        ("KALBOT_ENVIRONMENT", "another", "environment is"),
    ],
)
def test_a_database_of_another_exchange_stops_the_start_and_is_red(
    settings: Any, redis_db: Any, setting: str, value: str, difference: str
) -> None:
    identity.require()
    assert status.installation().state == status.OK
    setattr(settings, setting, value)
    with pytest.raises(identity.WrongInstallation, match=difference):
        identity.require()
    part = status.installation()
    assert part.state == status.BAD
    assert value.split("/")[2 if "/" in value else 0] in part.sentence
    with pytest.raises(CommandError, match=difference):
        call_command("stream", patience=0.0)


def test_a_person_says_that_the_exchange_has_moved(settings: Any, redis_db: Any) -> None:
    identity.require()
    settings.KALSHI_REST_URL = "https://elsewhere.example/trade-api/v2"
    with pytest.raises(CommandError, match="needs --reason"):
        call_command("identity", "--accept")
    call_command("identity", "--accept", reason="the exchange has a new name")
    identity.require()
    assert Act.objects.get().name == "accept_identity"
    assert Installation.objects.get().rest_host == "elsewhere.example"


def test_a_redis_on_which_another_database_works_stops_the_start(redis_db: Any) -> None:
    identity.require()
    assert 0 < redis_db.ttl(identity.CLAIM_KEY) <= identity.CLAIM_SECONDS
    redis_db.set(identity.CLAIM_KEY, str(uuid.uuid4()), ex=60)
    with pytest.raises(identity.WrongInstallation, match="Another installation"):
        identity.require()
    assert status.installation().state == status.BAD
    redis_db.delete(identity.CLAIM_KEY)
    identity.require()


def test_a_redis_that_is_away_is_no_mismatch(settings: Any) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    identity.require()
    assert status.installation().state == status.WARN


def test_prices_of_another_prefix_are_not_read(redis_db: Any) -> None:
    from markets.prices import LEASE_KEY, PriceReader

    redis_db.set("px:lease:0", b"x")
    redis_db.set(LEASE_KEY.replace(cache.key(""), "kalbot:elsewhere:") + "0", b"x")
    assert not PriceReader().stream_status()["alive"]
