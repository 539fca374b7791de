"""Quotes while something happens that their step was not made for: afterwards nothing rests too long, and the books tie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from kalbot.common import clock
from markets.models import Certificate, Market
from simulator.flow import second_actor
from simulator.matching import groups as matching
from simulator.matching import orders as by_hand
from tests.faults.quoted import orphan_cost
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading import sweeper
from trading.execution import executor
from trading.models import Discrepancy, ExchangeAccount, Order, Position
from trading.reconciliation import reconcile
from trading.safety import halt

pytestmark = pytest.mark.alike

AMEND = "amend"
Trouble = Callable[[Twin, Position], None]


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def _fills(twin: Twin, position: Position, number: int, count: int) -> None:
    bid = quoted.resting(position).get(twin.markets[number])
    if bid is not None:
        quoted.sell_no(twin, number, bid[0], count if bid[0] > quoted.NO_BIDS[number] else count + quoted.DEPTH)


def _due_to_be_prolonged(position: Position) -> None:
    position.orders.filter(status="resting").update(expires_at=clock.now() + timedelta(seconds=20))


def _amend_crosses_a_fill(twin: Twin, position: Position) -> None:
    """The order fills in part between the read and the amend: the amend names a size that counts that."""
    _due_to_be_prolonged(position)
    send = twin.session.send

    def between(request: Any, **kwargs: Any) -> Any:
        if AMEND in request.url:
            twin.session.send = send  # type: ignore[method-assign]  # once
            _fills(twin, position, 0, 233)
        return send(request, **kwargs)

    twin.session.send = between  # type: ignore[method-assign]  # one request is watched


def _amend_fails(twin: Twin, position: Position) -> None:
    _due_to_be_prolonged(position)
    twin.exchange.faults.add(kind="error", method="POST", path="/amend", count=2)


def _amend_times_out(twin: Twin, position: Position) -> None:
    _due_to_be_prolonged(position)
    twin.exchange.faults.add(kind="timeout", method="POST", path="/amend", count=2)


def _expired_meanwhile(twin: Twin, position: Position) -> None:
    """The exchange has let all of them expire, and the row of one says nothing of it."""
    _due_to_be_prolonged(position)
    for order in list(twin.exchange.ledger.all_open()):
        by_hand.cancel(twin.exchange, order)


def _two_fill_at_once(twin: Twin, position: Position) -> None:
    for number in range(3):
        _fills(twin, position, number, 700)


def _a_hundredth_fills(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 1)


def _one_market_paused(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    twin.exchange.markets[twin.markets[1]].status = "inactive"
    Market.objects.filter(ticker=twin.markets[1]).update(status="inactive")


def _hundredths_and_a_person(twin: Twin, position: Position) -> None:
    """A fill of hundredths, then a person who takes what is left of the order out, then another fill."""
    _fills(twin, position, 0, 137)
    for order in list(twin.exchange.ledger.all_open())[:1]:
        by_hand.cancel(twin.exchange, order)
    _fills(twin, position, 1, 211)


def _revoked(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    Certificate.objects.update(status="revoked")


def _closes_early(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    Market.objects.filter(ticker=twin.markets[1]).update(close_time=clock.now() + timedelta(seconds=30))


def _paused_in_the_hedge(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    twin.exchange.faults.add(kind="pause", method="POST", path="/portfolio/events/orders", count=1)


def _hedge_is_gone(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    for number in (1, 2):
        twin.cancel_makers(twin.markets[number], "bid")


def _group_deleted(twin: Twin, position: Position) -> None:
    _fills(twin, position, 0, 350)
    for group in twin.exchange.ledger.groups.values():
        if not group.deleted:
            matching.delete(twin.exchange, group)


TROUBLES: list[Trouble] = [
    _amend_crosses_a_fill,
    _amend_fails,
    _amend_times_out,
    _expired_meanwhile,
    _two_fill_at_once,
    _a_hundredth_fills,
    _one_market_paused,
    _hundredths_and_a_person,
    _revoked,
    _closes_early,
    _paused_in_the_hedge,
    _hedge_is_gone,
    _group_deleted,
]


WAYS: Final = ("one_leg", "several", "all_legs")
EACH: Final = [
    pytest.param(trouble, way, marks=() if WAYS[number % 3] == way else pytest.mark.slow)
    for number, trouble in enumerate(TROUBLES)
    for way in WAYS
]
"""Each with every way of quoting, one of them in the normal run."""


@pytest.mark.parametrize(("trouble", "way"), EACH, ids=lambda one: getattr(one, "__name__", str(one)).strip("_"))
def test_orphans_stay_inside_their_budget_and_the_books_tie(twin: Twin, way: str, trouble: Trouble) -> None:
    wide: dict[str, Any] = {"orphan_budget": 20 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    maker = quoted.profile(quoting=way, **wide)
    position = quoted.begun(twin, maker)
    trouble(twin, position)
    for _ in range(8):
        position = quoted.step(twin, position)
        assert orphan_cost(position) <= 20 * world.DOLLAR or position.status in ("completing", "unwinding")
        most = position.decision.max_cost
        assert position.cost <= most, "never more than was set aside"
        if position.status != "quoting":
            assert not quoted.rests_at_the_exchange(twin) or position.status == "completing"
    if trouble in (_amend_crosses_a_fill, _amend_fails, _amend_times_out):
        assert any(AMEND in path for _, path, _ in twin.session.sent)
    twin.finish(winner=twin.markets[1])
    reconcile.run("live", "test")
    sweeper.sweep()
    executor.step(position.pk)
    assert not Order.objects.filter(status__in=("sending", "unknown", "booking")).exists()
    quoted.agree(maker)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_rests_without_the_cash_that_its_hedge_needs(twin: Twin, way: str) -> None:
    wide: dict[str, Any] = {"orphan_budget": 20 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    position = quoted.begun(twin, quoted.profile(quoting=way, **wide))
    assert quoted.rests_at_the_exchange(twin)
    reconcile.run("live", "test")
    assert quoted.step(twin, position).status == "quoting", "all of it is there"
    # what is dated in the second of the account's first read may have been in its balance, and waits until nothing rests
    ExchangeAccount.objects.update(created_at=clock.now() - timedelta(minutes=1))
    free = twin.exchange.ledger.available((0, 0))
    second_actor.act(twin.exchange, "withdraw", {"tickers": twin.markets, "amount": free}, Random(1))
    reconcile.run("live", "test")
    position = quoted.step(twin, position)
    assert (position.status, position.close_code) == ("aborted", "shard_cash")
    assert not quoted.rests_at_the_exchange(twin)


def test_cash_that_is_missing_is_found_while_quotes_rest(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    assert quoted.resting(position)
    reconcile.run("live", "test")
    free = twin.exchange.ledger
    free.credit((0, 0), -world.DOLLAR // 2)
    assert reconcile.run("live", "test").error == ""
    assert not Discrepancy.objects.exists(), "the fees of what rests may be all of it"
    free.credit((0, 0), -500 * world.DOLLAR)
    for _ in range(2):
        reconcile.run("live", "test")
    (named,) = Discrepancy.objects.all()
    assert (named.code, named.resolved_at) == ("cash", None)
    assert named.theirs.startswith("at least -$4")
    assert halt.current(position.profile) == "reducing"
    position = quoted.step(twin, position)
    assert quoted.resting(position) == {}
    reconcile.run("live", "test")
    named = Discrepancy.objects.get(resolved_at=None)
    assert (named.amount, ExchangeAccount.objects.get().difference) == (-500_500_000, -500_500_000)


def _halt(position: Position, twin: Twin) -> None:
    halt.set_state(state=halt.State.HALTED, actor="ann", reason="stop")


def _reduce(position: Position, twin: Twin) -> None:
    halt.set_state(state=halt.State.REDUCING, actor="ann", reason="no more", profile=position.profile)


def _overtake(position: Position, twin: Twin) -> None:
    Position.objects.filter(pk=position.pk).update(lease_token="another")


def _open(position: Position, twin: Twin) -> None:
    Position.objects.filter(pk=position.pk).update(status="open")


@pytest.mark.parametrize("act", [_halt, _reduce, _overtake, _open])
def test_no_quote_is_prolonged_once_a_new_one_could_not_be_sent(
    twin: Twin, act: Callable[[Position, Twin], None]
) -> None:
    """The step had found that bids may rest; it happens while the first of them is read to be prolonged."""
    position = quoted.begun(twin, quoted.profile())
    _due_to_be_prolonged(position)
    reads = 0
    send = twin.session.send

    def watched(request: Any, **kwargs: Any) -> Any:
        nonlocal reads
        reads += request.method == "GET" and "/portfolio/orders/" in request.url
        if reads == 4:  # each was read once, because that was due
            act(position, twin)
        return send(request, **kwargs)

    twin.session.send = watched  # type: ignore[method-assign]  # every request is watched
    sent = len(twin.session.sent)
    quoted.step(twin, position)
    assert reads >= 4
    assert not [path for _, path, _ in twin.session.sent[sent:] if path.endswith(AMEND)]
