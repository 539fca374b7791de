"""A quote in which nothing happens gives way to one that is expected to return much more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import cache, clock, messages
from markets import traded
from markets.models import Event, Market
from strategies.cycle import candidates, cycle
from strategies.models import DOLLAR, Decision, Profile, Verdict
from tests.strategies.world import add_event, books_of, publish
from tests.trading import world
from trading.execution import executor
from trading.models import Order, Position
from trading.quoted import idle

WIDE = [(3_600, 4_500), (3_400, 4_200), (2_800, 3_600)]
"""Taking NO on all loses; at the best bids it costs 1.77 of 2 dollars."""
Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent() -> Iterator[Sent]:
    found: Sent = []
    with messages.deliver_to(lambda name, args: found.append((name, args))):
        yield found


@pytest.fixture
def maker(db: None) -> Profile:
    """Its one quote rests in E1, and E2 would return as much."""
    world.exchange_open()
    profile = world.add_profile(
        "maker",
        kinds=["all_yes", "all_no"],
        plausible_margin_ppm=1_000_000,
        quoting="all_legs",
        quote_min_margin_ppm=10_000,
        quote_stop_seconds=3_600,
        orphan_budget=20 * DOLLAR,
        max_quotes=1,
    )
    for ticker in ("E1", "E2"):
        event = add_event(ticker, WIDE, certified=True)
        Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    return profile


def _cycle() -> int:
    for ticker in ("E1", "E2"):
        publish(ticker, books_of(ticker, WIDE))
    for event in Event.objects.filter(ticker="E3"):
        prices = event.markets.order_by("ticker").values_list("yes_bid", "yes_ask")
        publish("E3", books_of("E3", [(bid or 0, ask or 0) for bid, ask in prices]))
    return cycle.run().decisions


def _begun(profile: Profile, sent: Sent) -> Position:
    assert _cycle() == 1, Verdict.objects.values_list("live_constraint", "live_value")
    position = executor.execute(Decision.objects.get().pk)
    assert position is not None
    assert position.status == "quoting"
    sent.clear()
    return position


def _trades(number: int, event: str) -> None:
    """So many contracts (1/100) a leg of ``event`` hit the bids for NO within the last minute, none elsewhere."""
    now = clock.now_ms() // 1000
    cache.prices().set(cache.key("traded:since"), now - 60)
    tickers = Market.objects.filter(event_id=event).values_list("ticker", flat=True)
    counts: dict[Any, int] = {f"{ticker} no": number for ticker in tickers}
    cache.prices().hset(cache.key(f"traded:{now - 60}:{now // traded.BUCKET_SECONDS}"), mapping=counts)


def _wanted(sent: Sent) -> list[tuple[Any, ...]]:
    return [args for name, args in sent if name == messages.REPLACE_QUOTE]


def _other(position: Position) -> str:
    return "E2" if position.event_id == "E1" else "E1"


def test_a_quote_without_trades_is_withdrawn_and_the_better_one_rests(
    redis_db: object, maker: Profile, sent: Sent
) -> None:
    position = _begun(maker, sent)
    Position.objects.update(created_at=clock.now() - timedelta(minutes=1))
    _trades(100_000, _other(position))
    assert _cycle() == 0
    (args,) = _wanted(sent)
    assert args[:2] == (maker.pk, position.event_id)
    assert idle.replace(*args) == 1
    assert _cycle() == 0
    assert len(_wanted(sent)) == 1, "one gives way already"
    position = executor.step(position.pk)
    assert (position.status, position.close_code) == ("aborted", "quote_withdrawn")
    assert _other(position) in position.quote_withdrawn
    assert _cycle() == 1, Verdict.objects.values_list("live_constraint", "live_value")
    assert Decision.objects.latest("created_at").event_id == _other(position)


@pytest.mark.parametrize("why", ["young", "nothing counted", "as good", "has filled"])
def test_a_quote_stays(redis_db: object, maker: Profile, sent: Sent, why: str) -> None:
    position = _begun(maker, sent)
    if why != "young":
        Position.objects.update(created_at=clock.now() - timedelta(minutes=1))
    if why != "nothing counted":
        _trades(100_000, _other(position))
    if why == "as good":
        _trades(50_000, position.event_id)
    if why == "has filled":
        Order.objects.filter(position=position, leg__sequence=0).update(reported_fill_count=1)
    assert _cycle() == 0
    assert _wanted(sent) == []


def test_a_message_that_comes_late_withdraws_nothing_that_has_filled_meanwhile(
    redis_db: object, maker: Profile, sent: Sent
) -> None:
    position = _begun(maker, sent)
    Order.objects.filter(position=position, leg__sequence=0).update(reported_fill_count=1)
    assert idle.replace(maker.pk, position.event_id, "E2 returns more") == 0
    position.refresh_from_db()
    assert position.quote_withdrawn == ""


def _short(maker: Profile, sent: Sent, prices: list[tuple[int, int]]) -> Position:
    """Its quote has set aside nearly all of its capital, and E3, whose legs can be taken at these prices, waits for money."""
    Profile.objects.filter(pk=maker.pk).update(max_quotes=5, capital=20_500_000, min_profit=1)
    maker.refresh_from_db()
    Verdict.objects.filter(event_id="E2").delete()
    position = _begun(maker, sent)
    Position.objects.update(created_at=clock.now() - timedelta(minutes=1))
    event = add_event("E3", prices, certified=True)
    Verdict.objects.create(profile=maker, event=event, status="candidate", since=clock.now())
    candidates.forget(maker)
    _trades(1, position.event_id)
    return position


PAYS = [(3_000, 3_100), (3_000, 3_100), (3_000, 3_100)]
"""YES on all costs 0.93 and fees."""
PAYS_NOTHING = [(3_300, 3_400), (3_300, 3_400), (3_200, 3_300)]
"""YES on all costs 1.01, NO at the best bids 1.99 of 2 dollars."""


def test_a_quote_gives_its_money_to_a_basket_that_returns_much_more(
    redis_db: object, maker: Profile, sent: Sent
) -> None:
    position = _short(maker, sent, PAYS)
    assert maker.capital - position.reserved < DOLLAR, "it has set aside nearly all"
    assert _cycle() == 0
    (args,) = _wanted(sent)
    assert args[:2] == (maker.pk, position.event_id)
    assert idle.replace(*args) == 1
    assert executor.step(position.pk).status == "aborted"
    assert _cycle() >= 1, Verdict.objects.values_list("event_id", "live_constraint", "live_value")
    assert Decision.objects.filter(event_id="E3", quote={}).exists()


@pytest.mark.parametrize("why", ["young", "has filled", "pays nothing"])
def test_a_quote_keeps_its_money(redis_db: object, maker: Profile, sent: Sent, why: str) -> None:
    position = _short(maker, sent, PAYS_NOTHING if why == "pays nothing" else PAYS)
    if why == "young":
        Position.objects.update(created_at=clock.now())
    if why == "has filled":
        Order.objects.filter(position=position, leg__sequence=0).update(reported_fill_count=1)
    assert _cycle() == 0
    assert _wanted(sent) == []
