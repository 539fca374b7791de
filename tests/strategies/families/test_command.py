"""``manage.py families`` on catalogue rows: ranges and thresholds of one coin and hour."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from markets.catalogue import families as stored
from markets.models import ContractTerms, Event, Market
from tests.strategies import world
from tests.strategies.families import coins

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    coins.add_coins()
    stored.refresh()


def families(*options: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("families", "--json", *options, stdout=out)
    return list(json.loads(out.getvalue()))


def test_coherent_prices_are_proven_to_hold_no_basket() -> None:
    (found,) = families()
    assert found["events"] == ["KXBTC-1", "KXBTCD-1"]
    assert found["result"] == "none, proven"
    out = StringIO()
    call_command("families", "--atoms", "KXBTC-1", stdout=out)
    shown = out.getvalue()
    assert "54199.99 < x < 54200" in shown
    call_command("families", stdout=out)
    assert "1 family: 0 baskets" in out.getvalue()


def test_the_probabilities_of_the_command_are_those_of_the_page() -> None:
    """Both the middle of all that agree: where the screen happens to stop, the first atom had nothing."""
    out = StringIO()
    call_command("families", "--atoms", "KXBTC-1", stdout=out)
    rows = [line.rsplit(maxsplit=1)[-1] for line in out.getvalue().splitlines() if "KXBTC" in line]
    shares = [float(one) for one in rows if one.startswith("0.")]
    assert len(shares) == 6
    assert shares[0] > 0.01
    assert sum(shares) == pytest.approx(1, abs=0.001)


def test_the_explanation_names_both_sides_and_says_of_one_that_ended_why() -> None:
    world.add_profile("families", kinds=["family"])
    out = StringIO()
    call_command("explain", coins.FAMILY, "--profile", "families", stdout=out)
    assert "family: 2 YES and NO legs, price and fee:" in out.getvalue()
    ContractTerms.objects.update(common_determination="")
    stored.refresh()
    with pytest.raises(CommandError, match=r"is no family now\. Its events are no family any more.*--why"):
        call_command("explain", coins.FAMILY, "--profile", "families")
    call_command("families", stdout=out)
    assert "(common_determination), 1 group:" in " ".join(out.getvalue().split())


def test_a_threshold_that_is_too_cheap_beside_a_range_makes_a_guaranteed_basket() -> None:
    # YES above 54,299.99 for 60 and NO above 54,399.99, whose YES bid rises to 55, for 45: one pays always, both in between
    Market.objects.filter(ticker__contains="greater54299.99").update(yes_bid=4_000, yes_ask=4_200)
    Market.objects.filter(ticker__contains="KXBTCD-1-greater54399.99").update(yes_bid=6_500, yes_ask=6_800)
    (found,) = families("--max-cost", "50")
    assert found["grade"] == "guaranteed"
    assert float(found["floor"].strip("$")) > float(found["cost"].strip("$"))
    assert float(found["cost"].strip("$")) <= 50
    assert len(found["legs"]) >= 2


def test_a_family_without_its_clause_is_refused_by_name() -> None:
    ContractTerms.objects.update(common_determination="")
    stored.refresh()
    (found,) = families()
    assert found["refused"] == "common_determination"
    with pytest.raises(CommandError, match="no clause"):
        families("--atoms", "KXBTC-1")


def test_a_family_with_a_fee_that_is_not_known_is_not_judged() -> None:
    Event.objects.filter(pk="KXBTC-1").update(fee_type_override="flat")
    (found,) = families()
    assert "fee" in found["result"]


def test_bad_options_are_said() -> None:
    with pytest.raises(CommandError, match="no amount of dollars"):
        families("--max-cost", "much")
    with pytest.raises(CommandError, match="in no family"):
        families("--atoms", "NOBODY")
