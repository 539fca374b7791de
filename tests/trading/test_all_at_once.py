"""All legs in one request: planned against every half-filled basket, stored before it leaves, each order with its own fate."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common import clock
from markets.fees import FeeSchedule
from markets.models import Watch
from simulator.faults.injection import BATCH_ITEM
from strategies.models import Profile
from tests.trading import live_twin, world
from tests.trading.twin import NoLimit, Twin, TwinSession
from trading.accounting import balance_check
from trading.denials import Refusal
from trading.execution import executor
from trading.execution.orders import batch, inflight
from trading.execution.phases import buy
from trading.execution.sizing import planner, recheck
from trading.execution.sizing.planner import Plan, PlanLeg, WriteBudget
from trading.limits import risk
from trading.limits.facts import Facts
from trading.limits.intent import Intent
from trading.models import Denial, Order, Position
from trading.reconciliation import reconcile
from trading.venues import account_limits, connection
from trading.venues.live import LiveVenue
from trading.venues.protocol import Ack, Unresolved

MONEY = 1_000_000
LIMITS = (3_000, 3_200, 3_100)
BATCHED = "/trade-api/v2/portfolio/events/orders/batched"
TOGETHER = Profile.Sending.TOGETHER


# ---- the plan


@given(st.lists(st.integers(-50_000, 400_000), min_size=1, max_size=7))
def test_the_worst_unwind_is_that_of_the_most_expensive_half_filled_subset(losses: list[int]) -> None:
    every = [sum(some) for size in range(len(losses)) for some in combinations(losses, size)]
    assert planner.worst_unwind(losses, together=True) == max(every)


@given(st.lists(st.integers(-50_000, 400_000), min_size=1, max_size=7))
def test_one_by_one_only_what_comes_first_can_be_left(losses: list[int]) -> None:
    prefixes = [sum(losses[:size]) for size in range(1, len(losses))]
    assert planner.worst_unwind(losses, together=False) == max(prefixes, default=0)


book = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 900)), min_size=1, max_size=4)


@given(st.lists(st.tuples(book, book, st.integers(100, 1_000)), min_size=2, max_size=4), st.data())
def test_no_partial_fill_of_any_subset_loses_more_than_the_plan_allows_for(legs: list[Any], data: Any) -> None:
    made = [
        _leg(f"L{n}", sorted((3_000 + 100 * p, c) for p, c in asks), sorted((100 * p, c) for p, c in bids)[::-1], count)
        for n, (asks, bids, count) in enumerate(legs)
    ]
    made = [PlanLeg(x.ticker, x.side, min(x.count, x.available), x.limit, x.asks, x.bids, x.fees) for x in made]
    missing = data.draw(st.integers(0, len(made) - 1))
    filled = [0 if n == missing else data.draw(st.integers(0, leg.count)) for n, leg in enumerate(made)]
    losses = planner.leg_losses(_counts(made, filled))
    rounding = 10_000 * 8 * len(made)  # fees are rounded up to a cent a level, which a smaller count feels more
    assert sum(losses) <= planner.worst_unwind(planner.leg_losses(made), together=True) + rounding


def _counts(legs: list[PlanLeg], counts: list[int]) -> list[PlanLeg]:
    return [
        PlanLeg(x.ticker, x.side, n, x.limit, x.asks, x.bids, x.fees) for x, n in zip(legs, counts, strict=True) if n
    ]


def _leg(ticker: str, asks: list[tuple[int, int]], bids: list[tuple[int, int]], count: int) -> PlanLeg:
    return PlanLeg(ticker, "yes", count, 9_900, tuple(asks), tuple(bids), FeeSchedule())


def _legs(number: int) -> list[PlanLeg]:
    return [_leg(f"L{n}", [(500, 9_000)], [(400, 9_000)], 100) for n in range(number)]


def test_a_budget_that_carries_the_legs_one_by_one_may_not_carry_them_at_once() -> None:
    legs = [
        _leg("A", [(3_000, 1_000)], [(2_900, 9_000)], 1_000),
        _leg("B", [(3_000, 2_000)], [(1_500, 9_000)], 1_000),
        _leg("C", [(3_000, 3_000)], [(1_000, 9_000)], 1_000),
    ]
    one_by_one = planner.plan(legs, 1_000, 4 * MONEY, WriteBudget())
    assert isinstance(one_by_one, Plan)
    refused = planner.plan(legs, 1_000, 4 * MONEY, WriteBudget(), together=True)
    assert isinstance(refused, Refusal)
    assert refused.code == "leg_risk"
    smaller = planner.largest(legs, 1_000, 100, 4 * MONEY, WriteBudget(), together=True)
    assert isinstance(smaller, Plan)
    assert 0 < smaller.count < 1_000
    assert smaller.worst_unwind > one_by_one.worst_unwind * smaller.count // 1_000


def test_a_basic_bucket_holds_five_legs_at_once_with_their_unwind_and_not_six() -> None:
    found = planner.plan(_legs(5), 100, 100 * MONEY, WriteBudget(), together=True)
    assert isinstance(found, Plan)
    assert (found.tokens, found.tokens_kept, found.together) == (50, 40, True)
    refused = planner.plan(_legs(6), 100, 100 * MONEY, WriteBudget(), together=True)
    assert isinstance(refused, Refusal)
    assert refused.code == "rate_limit"
    assert isinstance(planner.plan(_legs(6), 100, 100 * MONEY, WriteBudget(900, 300, 900), together=True), Plan)


def test_an_empty_bucket_refuses_until_it_has_refilled() -> None:
    assert isinstance(planner.plan(_legs(5), 100, 100 * MONEY, WriteBudget(100, 20, 0), together=True), Refusal)
    assert isinstance(planner.plan(_legs(10), 100, 100 * MONEY, WriteBudget(100, 100, 0)), Plan)
    assert isinstance(planner.plan(_legs(10), 100, 100 * MONEY, WriteBudget(100, 50, 0)), Refusal)


# ---- the request


class Watching(TwinSession):
    """Reads our rows when a purchase arrives, and may strike the exchange just before it is taken."""

    stored: list[tuple[int, set[str]]]
    strike: Any = None

    def send(self, request: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            rows = Order.objects.all()
            self.stored.append((rows.count(), {o.status for o in rows}))
            if self.strike is not None:
                strike, self.strike = self.strike, None
                strike()
        return super().send(request, **kwargs)


class WatchedTwin(Twin):
    """An exchange whose session is watched."""

    session: Watching


@pytest.fixture
def twin(settings: Any) -> WatchedTwin:
    found = WatchedTwin()
    found.session = Watching(found.exchange)
    found.session.stored = []
    return live_twin.connect(settings, found)


def _execute(twin: WatchedTwin, **columns: Any) -> Position:
    columns = {"mode": "live", "sending": TOGETHER} | columns
    profile = world.add_profile("live", **columns)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 1_000)
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _item(twin: WatchedTwin, **fault: Any) -> None:
    twin.exchange.faults.add(method="POST", path=BATCH_ITEM, **fault)


def _sent(twin: WatchedTwin) -> list[str]:
    return [path for method, path, _ in twin.session.sent if method == "POST"]


def _in_agreement(twin: WatchedTwin, position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert balance_check.summary(position.profile)["difference"] == 0
    spent = [o.client_order_id for o in twin.exchange.ledger.orders.values()]
    assert len(spent) == len(set(spent))


def test_all_legs_leave_in_one_request_whose_orders_are_stored_before_it(twin: WatchedTwin) -> None:
    position = _execute(twin)
    assert position.status == "open"
    assert _sent(twin) == [BATCHED]
    assert twin.session.stored == [(3, {"sending"})]
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    assert "all legs at once" in position.events.all()[0].reason
    _in_agreement(twin, position)


def test_a_batch_accepted_in_part_is_completed(twin: WatchedTwin) -> None:
    market = twin.exchange.markets[twin.markets[1]]
    grid = market.ranges

    def other_grid() -> None:
        market.ranges = [[0, 10_000, 500]]
        twin.session.strike = lambda: setattr(market, "ranges", grid)

    twin.session.strike = other_grid
    position = _execute(twin)
    assert position.status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    assert position.orders.get(status="rejected").error_code == "invalid_price"
    assert position.orders.filter(purpose="complete", status="done").count() == 1
    _in_agreement(twin, position)


def test_a_policy_that_may_wait_backs_off_after_rejections(twin: WatchedTwin) -> None:
    market = twin.exchange.markets[twin.markets[1]]
    twin.session.strike = lambda: setattr(market, "ranges", [[0, 10_000, 500]])
    position = _execute(twin, on_partial="hold_and_complete", leg_risk_budget=5 * MONEY)
    assert position.status == "completing"
    assert position.next_step_at is not None
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for _ in range(10):
            traveller.shift(3)
            twin.sync()
            position = executor.step(position.pk)
    assert position.status == "aborted"
    assert position.orders.filter(status="rejected").count() <= 6
    _in_agreement(twin, position)


def test_a_batch_accepted_in_part_is_unwound_when_the_rest_is_gone(twin: WatchedTwin) -> None:
    gone = twin.markets[1]

    def vanish() -> None:
        twin.cancel_makers(gone, "ask")
        twin.sync()

    twin.session.strike = vanish
    position = _execute(twin, leg_risk_budget=5 * MONEY)
    assert position.status == "aborted"
    assert twin.held() == {}
    assert -5 * MONEY <= position.realised < 0
    _in_agreement(twin, position)


def test_an_item_refused_for_want_of_tokens_is_sent_again_under_its_own_id(twin: WatchedTwin) -> None:
    _item(twin, kind="rate_limit", skip=2)
    position = _execute(twin)
    assert position.status == "open"
    assert _sent(twin) == [BATCHED, BATCHED]
    assert [o.attempts for o in position.orders.order_by("leg__sequence")].count(2) == 1
    assert position.orders.count() == 3
    _in_agreement(twin, position)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_an_answer_lost_in_mid_batch_leaves_every_order_to_be_resolved(twin: WatchedTwin, when: str, skip: int) -> None:
    _item(twin, kind="timeout", when=when, skip=skip)
    position = _execute(twin)
    assert position.status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    assert position.orders.count() == 3, "nothing was sent under a new id"
    _in_agreement(twin, position)


def test_answers_that_the_database_lost_with_its_machine_are_read_again(
    twin: WatchedTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stored without waiting for the disk: what is there then is what was written before sending."""
    with monkeypatch.context() as dead:
        dead.setattr(inflight, "collect_all", lambda *args: pytest.fail("the machine failed"))
        with pytest.raises(pytest.fail.Exception):
            _execute(twin)
    Order.objects.update(status="sending", exchange_order_id="", reported_fill_count=None, reported_cost=None)
    Watch.objects.all().delete()
    Position.objects.update(lease_token="", lease_until=None)
    position = executor.step(Position.objects.get().pk)
    assert position.status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    assert position.orders.count() == 3, "nothing was sent under a new id"
    assert Watch.objects.filter(source=f"position:{position.pk}").exists()
    _in_agreement(twin, position)


def test_an_item_that_reports_an_internal_error_may_exist(twin: WatchedTwin) -> None:
    _item(twin, kind="error", when="after", status=500, skip=1)
    position = _execute(twin)
    assert position.status == "open"
    assert twin.held() == dict.fromkeys(twin.markets, 1_000)
    assert position.orders.count() == 3
    _in_agreement(twin, position)


@pytest.mark.parametrize(
    ("code", "lag_ms"), [("invalid_order", 0), ("insufficient_balance", 0), ("market_inactive", 1_500)]
)
def test_an_item_whose_refusal_is_no_refusal_is_not_bought_again(twin: WatchedTwin, code: str, lag_ms: int) -> None:
    """The order of an item was taken and the answer names a code that is known for refusals: an item has no status."""
    twin.exchange.config.read_delay_ms = lag_ms
    _item(twin, kind="error", when="after", status=500, code=code, skip=1)
    position = _execute(twin)
    assert position.orders.count() == 3
    if lag_ms:
        assert (position.status, position.orders.get(status="rejected").error_code) == ("executing", code)
        with time_machine.travel(clock.now() + timedelta(seconds=3)):
            twin.sync()
            position = executor.step(position.pk)
    assert (position.status, twin.held()) == ("open", dict.fromkeys(twin.markets, 1_000))
    assert position.orders.count() == 3
    twin.exchange.config.read_delay_ms = 0
    _in_agreement(twin, position)


def test_a_leg_answered_with_nothing_that_cannot_be_read_is_not_bought_again_for_a_while(
    twin: WatchedTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange answers an order with nothing although it fills, and does not show it yet."""

    def not_shown(venue: LiveVenue, order: Order) -> Ack:
        raise Unresolved("order not found")

    _item(twin, kind="zero_answer", delay_ms=0, skip=1)
    with monkeypatch.context() as patch:
        patch.setattr(LiveVenue, "fetch", not_shown)
        position = _execute(twin)
        assert (position.status, position.orders.count()) == ("executing", 3)
    with time_machine.travel(clock.now() + timedelta(seconds=3)):
        twin.sync()
        position = executor.step(position.pk)
        assert (position.status, position.orders.count()) == ("open", 3)
        assert twin.held() == dict.fromkeys(twin.markets, 1_000)


def test_a_comparison_of_the_books_repairs_an_item_whose_refusal_was_none(twin: WatchedTwin) -> None:
    twin.exchange.config.read_delay_ms = 1_500
    _item(twin, kind="error", when="after", status=500, code="invalid_order", skip=1)
    position = _execute(twin)
    twin.exchange.config.read_delay_ms = 0
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    twin.sync()
    with time_machine.travel(clock.now() + timedelta(seconds=2)):
        twin.sync()
        assert executor.step(position.pk).status == "open"
    assert position.orders.count() == 3


def test_a_batch_refused_as_a_whole_buys_nothing(twin: WatchedTwin) -> None:
    twin.exchange.faults.add(kind="rate_limit", method="POST", path="/portfolio/events/orders", count=0)
    position = _execute(twin)
    assert (position.status, position.close_type, position.close_code) == ("aborted", "not_bought", "rate_limited")
    assert twin.held() == {}
    assert position.reserved == 0
    _in_agreement(twin, position)


def test_the_leg_risk_is_checked_again_before_the_batch_leaves(
    twin: WatchedTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = risk.limits
    seen: list[Any] = []

    def crash_after_admission(intent: Intent, read: Facts | None = None) -> Facts:
        found = real(intent, read)
        if found.unbooked:  # the first capital is booked, and admission begins again
            return found
        seen.append(intent)
        if len(seen) == 1:
            for ticker in twin.markets:
                twin.cancel_makers(ticker, "bid")
                twin.quote(ticker, "bid", 100, 5_000)
            twin.sync()
        return found

    monkeypatch.setattr(risk, "limits", crash_after_admission)
    monkeypatch.setattr(recheck, "CLEARED_FOR", timedelta(0))
    position = _execute(twin, leg_risk_budget=2 * MONEY)
    assert position.status == "aborted"
    assert (position.close_type, position.close_code) == ("not_bought", "leg_risk")
    assert _sent(twin) == []
    assert [intent.orders for intent in seen][1:] == [3]


def test_too_many_legs_for_the_bucket_are_sent_one_by_one_and_it_says_so(twin: WatchedTwin) -> None:
    for _ in range(3):
        twin.add_market([(100, 2_000)], [(200, 2_000)])
    twin.sync()
    profile = world.add_profile("live", mode="live", sending=TOGETHER)
    wanted = dict(zip(twin.markets, (*LIMITS, 200, 200, 200), strict=True))
    position = executor.execute(world.decide(profile, twin.row, wanted, 1_000, floor=12_000_000).pk)
    assert position is not None
    assert not position.sends_together
    assert BATCHED not in _sent(twin)
    assert "does not carry all at once" in position.events.all()[0].reason
    assert position.status == "open"


def test_the_account_s_own_limits_carry_more(twin: WatchedTwin) -> None:
    twin.exchange.limits.set_tier("advanced")
    assert account_limits.known().usage_tier == "basic"
    for _ in range(3):
        twin.add_market([(100, 2_000)], [(200, 2_000)])
    twin.sync()
    profile = world.add_profile("live", mode="live", sending=TOGETHER)
    wanted = dict(zip(twin.markets, (*LIMITS, 200, 200, 200), strict=True))
    position = executor.execute(world.decide(profile, twin.row, wanted, 1_000, floor=12_000_000).pk)
    assert position is not None
    assert account_limits.known().write.bucket_capacity == 900, "the reconciliation at the start learns them"
    assert position.sends_together
    assert _sent(twin) == [BATCHED]


def test_paper_takes_a_batch_too() -> None:
    profile, event = world.add_profile(sending=TOGETHER), world.add_event()
    quotes = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
    world.publish(event.ticker, world.quoted(event, quotes))
    wanted = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
    position = executor.execute(world.decide(profile, event, wanted, 1_000).pk)
    assert position is not None
    assert (position.status, position.sends_together) == ("open", True)
    assert position.matched_count == 1_000
    assert balance_check.summary(profile)["difference"] == 0


class Counting(NoLimit):
    """Records what each write took from the bucket: (its cost, tokens to be left)."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []

    def acquire(self, kind: str, cost: int, shard: Any, keep_back: int = 0, timeout: Any = None) -> None:
        if kind == "write":
            self.taken.append((cost, keep_back))


@pytest.mark.parametrize(
    ("sending", "taken"),
    [(TOGETHER, [(30, 20)]), (Profile.Sending.THINNEST, [(10, 0), (10, 10), (10, 20)])],
)
def test_every_purchase_leaves_the_tokens_of_its_unwind(
    twin: WatchedTwin, sending: str, taken: list[tuple[int, int]]
) -> None:
    limiter = Counting()
    connection.use(twin.client(limiter))
    assert _execute(twin, sending=sending).status == "open"
    assert limiter.taken == taken


def test_what_a_worker_that_died_before_it_sent_anything_left_is_sent_together_again(
    twin: WatchedTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_back: list[int] = []
    real = batch.place_all

    class Died(BaseException):
        pass

    def dies(*args: object) -> bool:
        raise Died

    def placed(*args: Any, keep_back: int, **kwargs: Any) -> list[Order]:
        kept_back.append(keep_back)
        return real(*args, keep_back=keep_back, **kwargs)

    monkeypatch.setattr(batch, "place_all", placed)
    with monkeypatch.context() as patch:
        patch.setattr(buy, "begun", dies)
        with pytest.raises(Died):
            _execute(twin)
    Position.objects.update(lease_token="", lease_until=None, next_step_at=None)
    Order.objects.update(status="rejected", error_code="not_sent", ended_at=clock.now())
    position = executor.step(Position.objects.get().pk)
    assert (position.status, twin.held()) == ("open", dict.fromkeys(twin.markets, 1_000))
    assert len(_sent(twin)) == 1
    assert kept_back == [planner.tokens_kept(3)]
