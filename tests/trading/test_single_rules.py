"""Rules of one line each that no longer story would miss: found by taking the line out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from markets.book import Depth
from markets.models import Certificate, Event, Market
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.stopped import after
from tests.trading.struck import StruckTwin, execute
from tests.trading.twin import Twin
from trading.accounting import collateral, residuals
from trading.books import live_books
from trading.closing import exits, settlement
from trading.closing.finals import Credit, FinalResult
from trading.denials import Denied
from trading.execution import executor
from trading.execution.sizing import planner, quotes
from trading.limits import risk
from trading.limits.intent import Intent
from trading.models import ExchangeAccount, Fill, Leg, Position
from trading.quoted import markouts
from trading.reconciliation import inbox, reconcile
from trading.safety import live_readiness
from trading.venues import connection


def test_what_is_alone_without_a_residual_stays_without_one_when_more_is(db: None) -> None:
    """It is about to be reopened: nobody has decided to keep any of it."""
    event = world.add_event()
    decision = world.decide(world.add_profile(), event, {"KXT-1-0": 3_000, "KXT-1-1": 3_000}, kind="coverage")
    position = Position(status="open", residual_code="", target_count=100, decision=decision)
    legs = [Leg(pk=n, target_count=100, bought_count=100, sold_count=n * 20) for n in (1, 2)]
    assert residuals.after(position, legs, {2: {"sold_count": 10}}) == {}
    position.residual_code = "no_bid"
    assert residuals.after(position, legs, {2: {"sold_count": 10}})["residual_code"] == "basket_broken"


@pytest.mark.parametrize(
    ("side", "foreign", "credited", "settled"),
    [("yes", 300, 900, 600), ("no", 0, -700, 700), ("no", 200, -500, 700), ("yes", -100, -100, 0)],
)
def test_no_more_than_the_credit_less_what_is_somebody_elses_is_settled(
    struck: StruckTwin, side: str, foreign: int, credited: int, settled: int
) -> None:
    position = execute(struck)
    assert reconcile.run("live", "test").error == ""
    leg = position.legs.get(market_id=struck.markets[0])
    Leg.objects.filter(pk=leg.pk).update(side=side)
    ExchangeAccount.objects.update(foreign={leg.market_id: foreign})
    rows = list(Leg.objects.filter(pk=leg.pk).select_related("position__profile", "market"))
    settlement._settle_credited(rows, FinalResult("yes", world.DOLLAR), Credit(leg.market_id, 0, credited, None), None)
    leg.refresh_from_db()
    assert (leg.settled_count, leg.held) == (settled, 1_000 - settled)


def test_tokens_are_kept_for_one_sale_of_each_leg_but_the_missing_one() -> None:
    assert [planner.tokens_kept(legs) for legs in (0, 1, 2, 5)] == [
        0,
        0,
        planner.CREATE_TOKENS,
        4 * planner.CREATE_TOKENS,
    ]


def test_collateral_is_returned_for_no_in_an_exclusive_event_where_profile_or_account_chose_it() -> None:
    event, plain, default = Event(collateral_return_type="MECNET"), Event(), {"yes_counts": False, "whole_cents": False}
    sim = Profile(mode="sim", collateral_return=True)
    live, cents = Profile(mode="live", collateral_return=True), {"yes_counts": False, "whole_cents": True}
    assert collateral.reading_for(sim, event, "all_no", None) == default
    assert collateral.reading_for(Profile(mode="sim", collateral_return=False), event, "all_no", None) is None
    for kind, other in (("all_yes", event), ("all_no", plain), ("all_no", Event(collateral_return_type="DIRECNET"))):
        for profile in (sim, live):
            assert collateral.reading_for(profile, other, kind, ("on", default)) is None
    assert collateral.reading_for(live, event, "all_no", None) is None, "no account is known yet"
    for chosen, reading in (("off", None), ("on", cents), ("learning", cents | {collateral.LEARNING: True})):
        assert collateral.reading_for(live, event, "all_no", (chosen, cents)) == reading


@pytest.mark.parametrize(("said", "at"), [(None, 0), (after(-1), -1), (after(0), 0), (after(1), 0)])
def test_a_fill_is_marked_from_when_the_exchange_says_unless_that_is_still_to_come(
    said: datetime | None, at: int
) -> None:
    assert markouts._when(Fill(exchange_at=said, created_at=after(0))) == after(at)


def _intent() -> tuple[Decision, Intent]:
    event = world.add_event()
    decision = world.decide(world.add_profile(), event, {f"KXT-1-{n}": 3_000 for n in range(3)})
    legs = {(f"KXT-1-{n}", "yes"): 1_000_000 for n in range(3)}
    return decision, Intent(decision.profile, decision, 3_000_000, legs)


def _refusal(intent: Intent) -> str:
    with pytest.raises(Denied) as denied:
        risk.premises(intent)
    return str(denied.value.code)


def test_a_market_that_the_catalogue_shows_as_closed_is_not_bought() -> None:
    decision, intent = _intent()
    risk.premises(intent)
    Market.objects.filter(ticker="KXT-1-2").update(status="closed")
    assert _refusal(Intent(decision.profile, decision, 3_000_000, intent.legs)) == "not_active"


@pytest.mark.parametrize("change", [{"rules_hash": "older"}, {"status": "revoked"}])
def test_a_certificate_of_other_rules_or_that_is_gone_carries_no_basket(change: dict[str, Any]) -> None:
    _, intent = _intent()
    Certificate.objects.update(**change)
    assert _refusal(intent) == "certificate"


def test_books_within_the_limits_at_which_the_basket_earns_nothing_are_denied_at_admission() -> None:
    event = world.add_event()
    world.publish(event.ticker, world.quoted(event, [(3_300, 3_400)] * 3))
    decision = world.decide(world.add_profile(), event, {f"KXT-1-{n}": 3_500 for n in range(3)})
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == "margin_gone"


def test_an_ended_position_is_not_exited(struck: StruckTwin) -> None:
    position = execute(struck)
    Position.objects.filter(pk=position.pk).update(status="closed")
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    assert refused.value.code == "ended"


def test_a_fill_of_no_that_only_a_message_brings_is_booked_at_its_own_price(settings: Any) -> None:
    settings.KALBOT_LIVE = True
    twin = Twin()
    for bid in (4_000, 4_200, 4_100):
        twin.add_market([(bid, 2_000)], [(bid + 100, 2_000)])
    client = twin.client()
    client.transport.sleep = lambda seconds: None
    connection.use(client)
    live_readiness.require_reconciliation()
    twin.sync()
    limits = dict(zip(twin.markets, (6_000, 5_800, 5_900), strict=True))
    profile = world.add_profile("live", mode="live", sending="all_at_once")
    decision = world.decide(profile, twin.row, limits, 1_000, "all_no", "no")
    assert reconcile.run("live", "test").error == ""
    twin.exchange.faults.add(kind="error", method="GET", path="/portfolio/fills", count=0, status=503)
    position = executor.execute(decision.pk)
    assert position is not None
    assert not Fill.objects.exists()
    twin.send_fills()
    inbox.apply_waiting()
    booked = dict(Fill.objects.values_list("order__leg__market_id", "price"))
    assert (booked, set(Fill.objects.values_list("source", flat=True))) == (limits, {"websocket"})
    assert not position.orders.exclude(status="done").exists(), "they add up to what was answered"


def test_a_book_that_is_not_there_has_no_version_and_no_level(db: None) -> None:
    event = world.add_event()
    world.publish(event.ticker, {"KXT-1-0": (((2_900, 100),), ((7_000, 100),))})
    live = live_books.read(event)
    assert live.version("KXT-1-0")
    assert live.version("KXT-1-1") == ""
    unread = replace(live.prices, markets={"KXT-1-0": replace(live.prices.markets["KXT-1-0"], depth=None)})
    for books, ticker in ((live, "KXT-1-1"), (replace(live, prices=unread), "KXT-1-0")):
        assert (books.depth(ticker), books.reach(ticker), books.bids(ticker, "yes")) == (Depth(), Depth(), ())


@pytest.mark.parametrize(("third", "pays"), [(7_400, True), (7_600, False)])
def test_a_hedge_at_the_books_of_now_is_worth_its_price_only_below_what_the_basket_pays(
    db: None, third: int, pays: bool
) -> None:
    """One leg of three filled at 0.56, the second is at 0.66: with the third at 0.74 it costs 1.99 with fees, at 0.76 2.01."""
    event = world.add_event(outcomes=3)
    tickers = [f"KXT-1-{number}" for number in range(3)]
    limits = dict(zip(tickers, (5_600, 6_600, 7_000), strict=True))
    decision = world.decide(world.add_profile(min_margin_ppm=1_000), event, limits, 400, kind="all_no", side="no")
    position = Position(profile=decision.profile, decision=decision, event=event, target_count=400)
    legs = [Leg(pk=n, market_id=t, side="no", target_count=400) for n, t in enumerate(tickers)]
    legs[0].bought_count, legs[0].open_cost = 400, 400 * 5_600
    asks = (5_600, 6_600, third)
    world.publish(
        event.ticker, {t: (((10_000 - ask, 900),), ((9_900, 900),)) for t, ask in zip(tickers, asks, strict=True)}
    )
    found = quotes.hedge_limits(position, legs, live_books.read(event))
    assert found == ({1: 6_600, 2: third} if pays else {})
