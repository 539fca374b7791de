"""A moment's view is no difference: settlements in flight, bookings under way; and what proved false ends by itself."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection as database
from django.db import transaction

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import quoted, world
from tests.trading.test_reconcile import _buy, _codes
from tests.trading.twin import Twin, TwinSession
from trading.accounting import ledger
from trading.closing import settlement
from trading.execution.orders import inflight, quote
from trading.models import CapitalChange, Discrepancy, Order, ProfileBalance, Reconciliation, TradingState
from trading.reconciliation import own_books, reconcile
from trading.safety import discrepancies, halt
from trading.venues import connection


def test_cash_of_a_settlement_that_is_not_booked_yet_is_no_difference(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = _buy(twin)
    assert reconcile.run("live", "test").balance_difference == 0
    with monkeypatch.context() as patch:
        patch.setattr(settlement, "run", lambda *args, **kwargs: 0)  # the worker that books is a moment behind
        twin.finish(twin.markets[0])
        row = reconcile.run("live", "test")
        assert (row.error, row.differences) == ("", 0)
        assert halt.current(position.profile) == "active"
        twin.exchange.ledger.credit((0, 0), 5_000_000_000)
        assert reconcile.run("live", "test").differences == 1, (
            "more than the contracts pay is a difference all the same"
        )
        assert _codes() == {"cash"}


class Lagging(TwinSession):
    """Lists orders as they were before the cash was read: listings lag behind what orders do to the balance."""

    has_read_cash = False

    def send(self, request: Any, **kwargs: Any) -> Any:
        answer = super().send(request, **kwargs)
        path = urlsplit(request.url).path
        self.has_read_cash |= path.endswith("/portfolio/balance")
        if path.endswith("/portfolio/orders") and not self.has_read_cash:
            answer.raw = BytesIO(b'{"orders":[],"cursor":""}')
        return answer


@pytest.mark.parametrize("filled", [0, 300])
def test_cash_of_an_order_that_is_listed_a_moment_later_is_no_difference(settings: Any, filled: int) -> None:
    twin = quoted.begin(settings)
    position = quoted.begun(twin, quoted.profile())
    assert reconcile.run("live", "test").differences == 0
    order, *others = inflight.orders_of(position)
    assert quote.withdraw(others)
    Order.objects.filter(pk=order.pk).update(status="done", reported_fill_count=0, ended_at=clock.now())
    if filled:
        quoted.sell_no(twin, twin.markets.index(order.leg.market_id), 5_500, quoted.DEPTH + filled)
    twin.session = Lagging(twin.exchange)
    connection.use(twin.client())
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    assert not Discrepancy.objects.exists()
    order.refresh_from_db()
    assert (order.status, order.filled_count) == ("resting", filled)


def _false_alarm(profile: Profile, code: str = "ledger", key: str = "live:cash") -> Discrepancy:
    return discrepancies.found(None, Discrepancy.Code(code), key, ours="1", theirs="2", profile=profile)


@pytest.fixture
def profile(db: None) -> Profile:
    """A live profile with sound books."""
    found = world.add_profile("live", mode="live")
    TradingState.objects.get_or_create(scope="global", defaults={"state": "active", "actor": "seed"})
    ledger.ensure_funded(found)
    return found


def _own(profile: Profile) -> None:
    own_books.compare(Reconciliation.objects.create(started_at=clock.now(), mode="live", trigger="test"))


def test_an_audit_that_agrees_later_closes_the_row_and_loosens_what_it_tightened(profile: Profile) -> None:
    row = _false_alarm(profile)
    assert halt.current(profile) == "reducing"
    _own(profile)
    row.refresh_from_db()
    assert "later comparison agreed" in row.resolution
    state = TradingState.objects.get(profile=profile)
    assert (state.state, state.actor) == ("active", "reconciliation")
    assert "proved false" in state.reason


def test_a_state_that_a_person_set_stays(profile: Profile) -> None:
    _false_alarm(profile)
    halt.set_state(state="reducing", actor="rita", reason="let me check", profile=profile)
    _own(profile)
    assert halt.current(profile) == "reducing"
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize("closed_by_person", [False, True])
def test_a_state_that_another_difference_has_a_part_in_stays(profile: Profile, closed_by_person: bool) -> None:
    _false_alarm(profile)
    other = _false_alarm(profile, "fill_missing", "t1")
    if closed_by_person:
        discrepancies.close(other, actor="rita", resolution="seen")
    _own(profile)
    assert halt.current(profile) == "reducing"


def test_an_old_difference_leaves_the_state_to_a_person(profile: Profile) -> None:
    row = _false_alarm(profile, "cash", "0")
    Discrepancy.objects.filter(pk=row.pk).update(first_seen_at=clock.now() - timedelta(hours=2))
    row.refresh_from_db()
    discrepancies.disproved(row)
    assert halt.current(profile) == "reducing"


def test_a_real_difference_in_our_totals_is_named_and_stays(profile: Profile) -> None:
    ProfileBalance.objects.filter(profile=profile).update(cash=1, capital=-1)
    for _ in range(2):
        _own(profile)
    assert {row.key for row in discrepancies.open_ones()} == {"live:cash", "live:capital"}
    assert halt.current(profile) == "reducing"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(
    "sqlite" in database.settings_dict["ENGINE"], reason="SQLite has one writer: nothing is booked between two reads"
)
def test_a_booking_between_two_reads_of_the_audit_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = world.add_profile("busy", mode="live")
    ledger.ensure_funded(profile)
    numbers = iter(range(100))
    change = CapitalChange.objects.create(profile=profile, amount=0, actor="test")
    plain = ledger.balances

    def book() -> None:
        try:
            with transaction.atomic():
                entries: Any = [("cash", -7), ("reserved", 7)]
                key = f"k{next(numbers)}"
                ledger.post(profile=profile, kind="deposit", key=key, entries=entries, capital_change=change)
        finally:
            database.close()

    def after_a_booking(profile: Profile) -> dict[str, int]:
        thread = threading.Thread(target=book)
        thread.start()
        thread.join(30)
        return plain(profile)

    monkeypatch.setattr(ledger, "balances", after_a_booking)
    assert own_books.differences("live") == {}
    assert next(numbers) > 0, "something was booked meanwhile"
