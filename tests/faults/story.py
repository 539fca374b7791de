"""The story of a run, for the person who has to find out why it broke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trading.models import Denial, Discrepancy, Fill, Position

if TYPE_CHECKING:
    from tests.faults.harness import Run


def describe(run: Run) -> str:
    """Everything a person needs to see what happened."""
    lines = [repr(run.plan), f"deaths {run.mortal.died_at}", *run.log[-80:]]
    lines += [f"denied: {denial.code} {denial.detail}" for denial in Denial.objects.all()]
    lines += [
        f"{one.code} {one.key} ours {one.ours} theirs {one.theirs} {one.resolution}"
        for one in Discrepancy.objects.all()
    ]
    for position in Position.objects.all():
        lines += [f"{e.at:%H:%M:%S} {e.from_status}->{e.to_status} {e.reason} {e.data}" for e in position.events.all()]
        lines += [
            f"{o.created_at:%H:%M:%S} {o} {o.purpose} {o.status} {o.error_code} reported {o.reported_fill_count} filled {o.filled_count}"
            for o in position.orders.order_by("created_at")
        ]
        lines += [
            f"fill {f.exchange_at:%H:%M:%S.%f} of {f.order_id} {f.count} at {f.price} by {f.source}"
            for f in Fill.objects.filter(order__position=position).order_by("exchange_at")
        ]
        lines += [
            f"{leg} bought {leg.bought_count} sold {leg.sold_count} settled {leg.settled_count} of {leg.target_count} at {leg.limit_price}"
            for leg in position.legs.all()
        ]
    return "\n".join(lines)
