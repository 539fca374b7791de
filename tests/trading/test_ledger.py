"""Cost is neither lost nor made when it is split, whatever the fills and sales are."""

from __future__ import annotations

import uuid

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kalbot.common.db import pipeline
from tests.trading import world
from trading.accounting import audit, balance_check, booking, ledger
from trading.accounting.fill_reports import BookingError, FillReport
from trading.accounting.position_booking import LEG_COLUMNS
from trading.models import CapitalChange, Fill, LedgerTransaction, Leg, Order, Position

import pytest  # isort: skip


def _order(position: Position, leg: Leg, action: str, count: int) -> Order:
    return Order.objects.create(
        profile=position.profile,
        mode="sim",
        position=position,
        leg=leg,
        action=action,
        purpose="entry",
        side="yes",
        price=5_000,
        count=count,
    )


def _held() -> tuple[Position, Leg]:
    profile = world.add_profile(f"p{uuid.uuid4().hex[:8]}")
    event = world.add_event(f"KXT-{uuid.uuid4().hex[:8]}", outcomes=1)
    market = f"{event.ticker}-0"
    decision = world.decide(profile, event, {market: 5_000}, kind="coverage")
    ledger.ensure_funded(profile)
    position = Position.objects.create(
        profile=profile, mode="sim", decision=decision, event=event, kind="coverage", target_count=100_000
    )
    leg = Leg.objects.create(position=position, market_id=market, side="yes", target_count=100_000, limit_price=5_000)
    return position, leg


fills = st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 700), st.integers(0, 50_000)), min_size=1, max_size=5)


@pytest.mark.alike
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bought=fills, sold=fills)
def test_ledger_balances_after_any_fills_and_sales(
    bought: list[tuple[int, int, int]], sold: list[tuple[int, int, int]]
) -> None:
    position, leg = _held()
    with transaction.atomic():
        assert pipeline.rows_of(ledger.holding(position.profile, 3_000_000)) != [[]]
        ledger.book_reserve(position, 3_000_000)
        Position.objects.filter(pk=position.pk).update(reserved=3_000_000)
    spent = got = held = 0
    for n, (price, count, fee) in enumerate(bought):
        order = _order(position, leg, "buy", count)
        assert booking.book_fill(order.pk, FillReport(f"b{n}", price, count, fee, True, 0), "test")
        assert not booking.book_fill(order.pk, FillReport(f"b{n}", price, count, fee, True, 0), "again")
        spent, held = spent + price * count + fee, held + count
    for n, (price, wanted, fee) in enumerate(sold):
        count = min(wanted, held)
        if not count:
            break
        order = _order(position, leg, "sell", count)
        booking.book_fill(order.pk, FillReport(f"s{n}", price, count, fee, True, 0), "test")
        got, held = got + price * count - fee, held - count
    position.refresh_from_db()
    leg.refresh_from_db()
    summary = balance_check.summary(position.profile)
    assert summary["difference"] == 0
    assert audit.totals(position.profile) == []
    assert leg.held == held
    assert summary["cash"] == position.profile.capital - spent + got
    assert position.realised == got - (spent - leg.open_cost)
    if not held:
        assert leg.open_cost == leg.open_fees == 0


def test_fill_beyond_the_order_and_sale_beyond_the_leg_are_refused_whole() -> None:
    position, leg = _held()
    order = _order(position, leg, "buy", 100)
    with pytest.raises(BookingError):
        booking.book_fill(order.pk, FillReport("x", 5_000, 101, 0, True, 0), "test")
    sale = _order(position, leg, "sell", 100)
    with pytest.raises(BookingError):
        booking.book_fill(sale.pk, FillReport("y", 5_000, 1, 0, True, 0), "test")
    assert ledger.balances(position.profile)["cash"] == position.profile.capital


def test_a_key_is_booked_once() -> None:
    profile = world.add_profile()
    entries = [("cash", 5), ("capital", -5)]
    change = CapitalChange.objects.create(profile=profile, amount=5, actor="test")
    assert ledger.post(profile=profile, kind="deposit", key="k", entries=entries, capital_change=change)
    assert not ledger.post(profile=profile, kind="deposit", key="k", entries=entries, capital_change=change)
    assert ledger.balances(profile)["cash"] == 5


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bought=fills, sold=fills)
def test_fills_booked_together_say_the_same_as_one_by_one(
    bought: list[tuple[int, int, int]], sold: list[tuple[int, int, int]]
) -> None:
    seen = []
    for together in (False, True):
        position, leg = _held()
        with transaction.atomic():
            assert pipeline.rows_of(ledger.holding(position.profile, 3_000_000)) != [[]]
            ledger.book_reserve(position, 3_000_000)
            Position.objects.filter(pk=position.pk).update(reserved=3_000_000)
        purchase = _order(position, leg, "buy", sum(count for _, count, _ in bought))
        sale = _order(position, leg, "sell", max(1, purchase.count // 2))
        reports = [FillReport(f"b{n}", *one, True, 0) for n, one in enumerate(bought)]
        left, sales = sale.count, []
        for n, (price, wanted, fee) in enumerate(sold):
            count = min(wanted, left)
            if count:
                sales.append(FillReport(f"s{n}", price, count, fee, True, 0))
            left -= count
        wanted_fills = {purchase.pk: reports, sale.pk: sales}
        if together:
            assert booking.book_fills(wanted_fills, "test") == len(reports) + len(sales)
            assert booking.book_fills(wanted_fills, "again") == 0
        else:
            for pk, found in wanted_fills.items():
                assert all(booking.book_fill(pk, report, "test") for report in found)
        balance = ledger.balance_of(position.profile)
        position.refresh_from_db()
        purchase.refresh_from_db()
        rows = [Leg.objects.filter(pk=leg.pk).values(*LEG_COLUMNS).get()]
        rows += [
            {name: getattr(position, name) for name in ("reserved", "cost", "fees", "proceeds", "realised", "floor")}
        ]
        rows += [{name: getattr(balance, name) for name in ("cash", "reserved", "fees", "realised", "best_equity")}]
        seen.append((rows, purchase.filled_count, LedgerTransaction.objects.filter(profile=position.profile).count()))
        assert audit.totals(position.profile) == []
    assert seen[0] == seen[1]


def test_one_fill_that_contradicts_its_order_keeps_all_of_the_call_from_being_booked() -> None:
    position, leg = _held()
    first, second = _order(position, leg, "buy", 100), _order(position, leg, "buy", 100)
    good, bad = FillReport("x", 5_000, 100, 0, True, 0), FillReport("y", 5_000, 101, 0, True, 0)
    with pytest.raises(BookingError):
        booking.book_fills({first.pk: [good], second.pk: [bad]}, "test")
    assert not Fill.objects.exists()
    assert booking.book_fills({first.pk: [good, good]}, "test") == 1
