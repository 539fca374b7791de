"""One leg of a family rests and the other, of another event, is taken when it fills: live on the simulated exchange and on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from markets import watchlist
from markets.models import Certificate, Event, Market
from strategies.models import Profile, QuoteRecord
from tests.trading import families, quoted, world
from tests.trading.families import FAMILY
from tests.trading.twin import Twin
from trading import tasks
from trading.closing import settlement
from trading.execution import executor
from trading.execution.orders import quote
from trading.execution.sizing import quotes
from trading.models import Denial, MarkOut, Position
from trading.quoted import markouts, open_quotes, records, results
from trading.reconciliation import inbox
from trading.safety import halt, live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

Pair = tuple[Twin, Twin]
RESTS = {"no": 5_800, "yes": 3_600}
"""A tick above the best bid of others."""


@pytest.fixture
def pair(settings: Any) -> Pair:
    settings.KALBOT_LIVE = True
    found = families.pair()
    connection.use(found[0].client())
    live_readiness.require_reconciliation()
    quote._checked.clear()
    return found


def profile(**columns: Any) -> Profile:
    budgets = {"orphan_budget": 20 * world.DOLLAR, "orphan_budget_day": 50 * world.DOLLAR}
    quoting = {"quoting": "one_leg", "quote_families": True, "quote_min_margin_ppm": 1_000, "quote_stop_seconds": 3_600}
    kinds = {"mode": "live", "kinds": ["family"], "count_step": 1, "min_margin_ppm": 0}
    return world.add_profile("maker", **kinds | quoting | budgets | columns)


def begun(pair: Pair, side: str = "no", **columns: Any) -> Position:
    position = executor.execute(families.decide_quote(profile(**columns), *pair, market(pair, side)).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert position.status == "quoting", (position.status, position.residual)
    return position


def market(pair: Pair, side: str) -> str:
    return pair[0].markets[2] if side == "no" else pair[1].markets[1]


def step(pair: Pair, position: Position) -> Position:
    families.sync(*pair)
    pair[0].send_fills()
    inbox.apply_waiting()
    quote._checked.clear()
    return executor.step(position.pk)


def fill(pair: Pair, side: str, count: int) -> None:
    """Somebody sells to the quote, and to nobody else."""
    if side == "no":
        pair[0].quote(market(pair, side), "bid", 10_000 - RESTS["no"], count, rest=False)
    else:
        pair[1].quote(market(pair, side), "ask", RESTS["yes"], count, rest=False)


@pytest.mark.parametrize("side", ["no", "yes"])
def test_what_fills_is_hedged_in_the_other_event_for_exactly_what_filled(pair: Pair, side: str) -> None:
    position = begun(pair, side)
    assert quoted.resting(position) == {market(pair, side): (RESTS[side], 1_000)}
    assert position.orphan_limit <= position.profile.orphan_budget
    assert set(watchlist.quoted()) == {"KXT-1", "KXT-2"}, "moves of either event reprice it"
    fill(pair, side, 400)
    position = step(pair, position)
    assert (position.status, quoted.held(position), position.guaranteed) == ("quoting", [400, 400], True)
    position = step(pair, position)
    assert quoted.resting(position) == {market(pair, side): (RESTS[side], 600)}
    fill(pair, side, 600)
    for _ in range(3):
        position = step(pair, position)
    assert (position.status, quoted.held(position), position.floor) == ("open", [1_000, 1_000], 10 * world.DOLLAR)
    assert position.cost < position.floor
    assert set(watchlist.quoted()) == set()
    quoted.agree(position.profile)
    ranges, thresholds = pair
    for twin, ticker, result in ((ranges, ranges.markets[2], "yes"), (thresholds, thresholds.markets[1], "yes")):
        twin.settle(ticker, result)
        settlement.run()
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", 10 * world.DOLLAR)
    quoted.agree(position.profile)


def _certificate(pair: Pair, position: Position) -> None:
    Certificate.objects.filter(event=FAMILY).update(status="void")


def _rules(pair: Pair, position: Position) -> None:
    Event.objects.filter(pk=FAMILY).update(rules_hash="other")


def _member(pair: Pair, position: Position) -> None:
    Event.objects.get(pk=FAMILY).members.filter(event="KXT-2").delete()


def _paused(pair: Pair, position: Position) -> None:
    Market.objects.filter(pk=market(pair, "yes")).update(status="inactive")


def _stale(pair: Pair, position: Position) -> None:
    world.publish("KXT-2", pair[1].books(), age_ms=60_000)


def _fees(pair: Pair, position: Position) -> None:
    Event.objects.filter(pk="KXT-2").update(fee_type_override="flat")


def _halted(pair: Pair, position: Position) -> None:
    halt.set_state(state="halted", actor="ann", reason="test")


def _off(pair: Pair, position: Position) -> None:
    Profile.objects.filter(pk=position.profile_id).update(quote_families=False)


def _hedge_gone(pair: Pair, position: Position) -> None:
    pair[1].cancel_makers(market(pair, "yes"), "ask")
    pair[1].sync()


@pytest.mark.parametrize(
    "change", [_certificate, _rules, _member, _paused, _stale, _fees, _halted, _off, _hedge_gone], ids=lambda c: c.__name__
)  # fmt: skip
def test_what_it_rests_on_withdraws_the_quote(pair: Pair, change: Callable[[Pair, Position], None]) -> None:
    position = begun(pair)
    pair[0].sync()
    change(pair, position)
    position = executor.step(position.pk)
    assert position.status == "aborted", position.residual
    assert quoted.rests_at_the_exchange(pair[0]) == 0
    assert quoted.held(position) == [0, 0]
    quoted.agree(position.profile)


def test_an_end_of_the_certificate_leaves_what_filled_as_an_orphan_inside_its_budget(pair: Pair) -> None:
    position = begun(pair)
    fill(pair, "no", 300)
    _certificate(pair, position)
    for _ in range(4):
        position = step(pair, position)
    assert quoted.rests_at_the_exchange(pair[0]) == 0
    held, whole = quoted.held(position), position.status == "open" and position.residual_code == ""
    assert whole or held[0] * RESTS["no"] <= position.profile.orphan_budget, (position.status, held)


def test_moves_of_the_other_event_reprice_and_withdraw(pair: Pair) -> None:
    position = begun(pair)
    ranges, thresholds = pair
    ticker = thresholds.markets[1]
    thresholds.cancel_makers(ticker, "ask")
    thresholds.quote(ticker, "ask", 4_200, families.DEPTH)  # two cents more: nothing is left for who rests
    thresholds.sync()
    assert tasks.reprice("KXT-2") == 1
    position.refresh_from_db()
    assert quoted.rests_at_the_exchange(ranges) == 0
    assert position.status == "aborted"


def test_on_paper_it_is_hedged_too(pair: Pair) -> None:
    position = begun(pair, mode="sim")
    ranges = pair[0]
    ranges.quote(ranges.markets[2], "bid", 10_000 - RESTS["no"], 400)  # somebody offers NO at our price
    for _ in range(3):
        position = step(pair, position)
    assert quoted.held(position) == [400, 400]
    assert position.guaranteed


def test_its_fills_are_measured_by_series_and_side_of_the_leg_that_rests(pair: Pair) -> None:
    position = begun(pair, "yes")
    assert quotes.measured_by(position) == ("KXT", "yes")
    fill(pair, "yes", 1_000)
    for _ in range(3):
        position = step(pair, position)
    markouts.measure()
    assert MarkOut.objects.get().side == "yes"
    shown = Position.objects.get(pk=position.pk)
    assert shown.status == "open"
    records.refresh()
    row = QuoteRecord.objects.get(side="yes", band="")
    assert (row.baskets, row.wanted, row.complete, row.orphaned) == (1, 1_000, 1_000, 0)
    (made,) = results.by_way(position.created_at.replace(year=position.created_at.year - 1))
    assert (made.across, made.way, made.open) == (True, "one_leg", 1)


def test_what_rests_is_shown_with_the_arithmetic_of_both_events(pair: Pair) -> None:
    position = begun(pair)
    found = open_quotes.of(position)
    assert [leg.bid for leg in found.legs] == [RESTS["no"], None]
    assert found.pays == world.DOLLAR
    assert found.cost is not None
    assert found.cost <= found.pays
    assert not found.is_short
    assert found.most_orphans <= position.orphan_limit
