"""The schedules find what they are for: each guard is taken out of the product, and some seed must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings

from markets.kalshi.refusals import refusal
from markets.kalshi.schemas import answers
from tests.faults import harness
from trading.accounting import ledger
from trading.accounting.fill_reports import FillReport
from trading.accounting.position_booking import PositionBooking
from trading.execution.orders import inflight, submit
from trading.execution.phases import opening
from trading.execution.sizing import baskets, planner, recheck
from trading.models import Fill, Leg, Order
from trading.venues import live
from trading.venues.protocol import Ack, Refused, Unresolved

SEEDS = range(0, 160)
RARE = {"all at once planned like one by one": (2477,)}
"""Guards that few schedules put to the test: a budget that lies between the two ways of counting."""
Patch = Callable[[pytest.MonkeyPatch], None]


def _timeout_is_a_reject(patch: pytest.MonkeyPatch) -> None:
    real = live.LiveVenue.create

    def create(self: live.LiveVenue, order: Order, keep_back: int = 0) -> Ack:
        try:
            return real(self, order, keep_back)
        except Unresolved as unclear:
            raise Refused("timeout", str(unclear)) from unclear

    patch.setattr(live.LiveVenue, "create", create)


def _batch_without_an_answer_is_a_reject(patch: pytest.MonkeyPatch) -> None:
    real = live.LiveVenue.create_many

    def create_many(self: live.LiveVenue, orders: Sequence[Order], keep_back: int = 0) -> list[Any]:
        answers = real(self, orders, keep_back)
        return [Refused("timeout", str(one)) if isinstance(one, Unresolved) else one for one in answers]

    patch.setattr(live.LiveVenue, "create_many", create_many)


def _batch_item_is_a_no_whatever_its_code(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(answers, "of_item", lambda body: refusal(400, body))


def _accepted_in_part_is_accepted(patch: pytest.MonkeyPatch) -> None:
    real = live.LiveVenue.create_many

    def create_many(self: live.LiveVenue, orders: Sequence[Order], keep_back: int = 0) -> list[Any]:
        answers = real(self, orders, keep_back)
        taken = [one for one in answers if isinstance(one, Ack)]
        return [
            one if isinstance(one, Ack) or not taken else Ack(taken[0].exchange_order_id, order.count, 0)
            for one, order in zip(answers, orders, strict=True)
        ]

    patch.setattr(live.LiveVenue, "create_many", create_many)


def _all_at_once_is_planned_like_one_by_one(patch: pytest.MonkeyPatch) -> None:
    real = planner.worst_unwind
    patch.setattr(planner, "worst_unwind", lambda each, together: real(each, False))


def _absent_from_a_listing_is_gone(patch: pytest.MonkeyPatch) -> None:
    def resolve(self: live.LiveVenue, order: Order, wanted: bool) -> Ack | None:
        listed = self._listed(order)
        return live._ack(listed, order) if listed is not None else None

    patch.setattr(live.LiveVenue, "resolve", resolve)


def _placed_is_filled(patch: pytest.MonkeyPatch) -> None:
    def bought(leg: Leg, orders: Iterable[Order]) -> int:
        return sum(o.count for o in orders if o.leg_id == leg.pk and o.action == "buy")

    patch.setattr(inflight, "bought", bought)
    patch.setattr(recheck, "bought", bought)
    patch.setattr(baskets, "kept", lambda leg: leg.target_count)


def _half_filled_is_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "is_balanced", lambda position, legs: any(leg.held for leg in legs))


def _fill_is_booked_each_time_it_is_reported(patch: pytest.MonkeyPatch) -> None:
    real = PositionBooking.add

    def add(self: PositionBooking, order_id: UUID, report: FillReport, source: str) -> bool:
        other = replace(report, trade_id=f"{report.trade_id}#{Fill.objects.count()}")
        return real(self, order_id, other, source)

    patch.setattr(PositionBooking, "add", add)


def _unclear_order_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(submit, "resolve", lambda order, wanted: True)


def _end_keeps_the_reserve(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "release", lambda position, key: 0)
    patch.setattr(PositionBooking, "release", lambda self, event: None)


GUARDS: dict[str, Patch] = {
    "timeout treated as a reject": _timeout_is_a_reject,
    "batch without an answer treated as a reject": _batch_without_an_answer_is_a_reject,
    "batch item refused whatever its code says": _batch_item_is_a_no_whatever_its_code,
    "batch accepted in part treated as accepted": _accepted_in_part_is_accepted,
    "all at once planned like one by one": _all_at_once_is_planned_like_one_by_one,
    "not listed treated as not there": _absent_from_a_listing_is_gone,
    "legs counted as filled when placed": _placed_is_filled,
    "half-filled basket called open": _half_filled_is_open,
    "fill booked each time it is reported": _fill_is_booked_each_time_it_is_reported,
    "unclear order forgotten": _unclear_order_is_forgotten,
    "capital never released": _end_keeps_the_reserve,
}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", GUARDS)
def test_schedules_notice_a_missing_guard(name: str, redis_db: object, monkeypatch: pytest.MonkeyPatch) -> None:
    GUARDS[name](monkeypatch)
    noticed = None
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in RARE.get(name, SEEDS):
            try:
                harness.run(seed)
            except Exception as error:  # an invariant, or the product stumbling over the broken state
                noticed = (seed, error)
                break
    assert noticed is not None, f"no seed noticed: {name}"
    print(f"{name}: seed {noticed[0]} {str(noticed[1]).splitlines()[0][:200]}")
