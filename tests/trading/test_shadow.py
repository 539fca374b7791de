"""Paper against live on the same decisions."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kalbot.common import clock
from markets.models import Market
from strategies.cycle import shadows
from strategies.cycle.decisions import _SHADOWS, _repeated
from strategies.models import Decision, Profile
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading import shadow
from trading.closing import settlement
from trading.execution import executor

LIMITS = (3_000, 3_200, 3_100)


@pytest.fixture
def twin(settings: Any) -> Twin:
    return live_twin.connect(settings, Twin())


@pytest.fixture
def live(db: None) -> Profile:
    return world.add_profile("real", mode="live")


def _decide(twin: Twin, live: Profile) -> tuple[Decision, Decision]:
    decision = world.decide(live, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 1_000)
    (copy,) = Decision.objects.bulk_create(_repeated(decision, _SHADOWS.rows(profile=live.pk)))
    return decision, copy


def _report(live: Profile) -> shadow.Report:
    return shadow.report(live, live.shadows.get(), clock.now() - timedelta(days=1))


def _said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("shadow_report", *arguments, stdout=out)
    return out.getvalue()


def _settle(twin: Twin) -> None:
    twin.finish(winner=twin.markets[0])
    for ticker in twin.markets:
        Market.objects.filter(ticker=ticker).update(
            status="finalized",
            result="yes" if ticker == twin.markets[0] else "no",
            settlement_value_e6=1_000_000 if ticker == twin.markets[0] else 0,
        )
    settlement.run()


def test_both_sides_of_one_decision_stand_beside_each_other(twin: Twin, live: Profile) -> None:
    shadows.make(live)
    for each in _decide(twin, live):
        executor.execute(each.pk)
    (pair,) = _report(live).pairs
    assert (pair.live.filled, pair.paper.filled, pair.wanted) == (1_000, 1_000, 1_000)
    assert pair.live.result is None, "what is open has no result"
    assert not _report(live).ended
    _settle(twin)
    found = _report(live)
    assert found.live_result == found.paper_result > 0, "the same books, the same fees"
    assert (found.flattery, found.price_gap, found.unshadowed) == (0, 0, 0)
    assert found.filled() == {"both": 1, "live only": 0, "paper only": 0, "neither": 0}


def test_what_live_could_not_fill_is_counted_apart(twin: Twin, live: Profile) -> None:
    shadows.make(live)
    decision, copy = _decide(twin, live)
    executor.execute(copy.pk)
    for ticker in twin.markets:  # somebody was faster: the books that paper saw are gone at the exchange
        twin.cancel_makers(ticker, "ask")
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.status == "aborted"
    _settle(twin)
    found = _report(live)
    assert found.filled()["paper only"] == 1
    assert (found.live_result, found.paper_result, found.flattery) == (0, 0, 0), "only same fills are compared"
    (pair,) = found.unlike
    assert (pair.live.result, pair.denied) == (0, None)
    assert (pair.paper.result or 0) > 0
    assert found.price_gap is None


def test_a_denied_decision_shows_its_code(twin: Twin, live: Profile) -> None:
    shadows.make(live)
    decision, copy = _decide(twin, live)
    Profile.objects.filter(pk=live.pk).update(max_per_leg=1)
    for each in (decision, copy):
        executor.execute(each.pk)
    (pair,) = _report(live).pairs
    assert pair.live.outcome == "denied: max_per_leg"
    assert pair.paper.outcome == "open"
    _settle(twin)
    found = _report(live)
    assert found.denied == {("live", "max_per_leg"): 1}
    assert (found.flattery, found.compared, found.unlike) == (0, [], []), "our own limit says nothing about paper"
    live.refresh_from_db()
    assert shadows.differing(live, live.shadows.get()) == ["max_per_leg"]
    assert "settings differ" in _said()


def test_the_report_as_a_table_and_for_a_program(twin: Twin, live: Profile) -> None:
    with pytest.raises(CommandError, match="has a paper twin"):
        _said()
    shadows.make(live)
    for each in _decide(twin, live):
        executor.execute(each.pk)
    _settle(twin)
    text = _said("--profile", "real")
    assert "1 same decision" in text
    assert "paper flatters by $0.00" in text
    assert twin.event in text
    (found,) = json.loads(_said("--json"))
    assert (found["live"], found["paper"], found["ended"]) == ("real", "real-paper", 1)
    assert found["pairs"][0]["live"]["result"] == found["live_result"]


def test_a_twin_follows_its_live_profile_and_can_be_switched_off(live: Profile) -> None:
    twin = shadows.make(live)
    assert (twin.mode, twin.shadow_of, twin.is_active, twin.capital) == ("sim", live, True, live.capital)
    lends = {"lend_above": 5_000_000, "borrow_up_to": 9_000_000}
    Profile.objects.filter(pk=live.pk).update(leg_risk_budget=7_000_000, **lends)
    live.refresh_from_db()
    assert shadows.make(live).pk == twin.pk
    twin.refresh_from_db()
    assert (twin.leg_risk_budget, twin.lend_above, twin.borrow_up_to) == (7_000_000, None, 0)
    assert shadows.differing(live, twin) == []
    assert shadows.stop(live) == 1
    twin.refresh_from_db()
    assert not twin.is_active
    with pytest.raises(shadows.CannotShadow):
        shadows.make(twin)
