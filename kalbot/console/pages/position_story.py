"""The page of one position: what it pays in every state, the arithmetic of its entry, triage, and everything that happened, in order."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from kalbot.common import clock
from kalbot.console.pages import triage_card
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from trading.models import ACTIVE, ExitRequest, Fill, Position


class Moment(NamedTuple):
    """One line of the timeline."""

    at: datetime
    what: str
    text: str
    url: str
    tone: str


def context(position: Position) -> dict[str, Any]:
    """Everything that the page shows beside the plain columns."""
    decision = position.decision
    return {
        "position": position,
        "decision": decision,
        "edge": decision.floor - decision.cost,
        "legs": list(position.legs.select_related("market")),
        "payoff": payoff(position),
        "sentence": in_words(position),
        "timeline": timeline(position),
        **triage_card.context(position),
        **progress(position),
    }


def stake(position: Position) -> tuple[int, int, int]:
    """(whole baskets, what they cost, the decision's baskets): of what is held, else of what was bought, else as decided."""
    decision = position.decision
    if position.matched_count:
        return position.matched_count, position.cost, decision.count
    legs = list(position.legs.all())
    bought = min((leg.bought_count for leg in legs), default=0)
    if bought:
        return bought, sum(leg.bought_cost for leg in legs), decision.count
    return decision.count, decision.cost, decision.count


def payoff(position: Position) -> list[dict[str, Any]]:
    """What the whole baskets pay in each settlement state, against what they cost; widths in per cent of the largest.

    Scaled from the decision's exact table: payouts are proportional to the number of baskets.
    """
    baskets, cost, decided = stake(position)
    rows = [(state, int(pays) * baskets // decided) for state, pays in position.decision.payoff]
    most = max([cost, 1, *(pays for _, pays in rows)])
    return [
        {
            "state": state,
            "pays": pays,
            "profit": pays - cost,
            "width": round(100 * pays / most, 1),
            "cost_at": round(100 * cost / most, 1),
        }
        for state, pays in rows
    ]


def in_words(position: Position) -> str:
    """Guaranteed or not, and what can be lost, in one or two sentences."""
    baskets, cost, decided = stake(position)
    losses = [row for row in payoff(position) if row["profit"] < 0]
    if position.guaranteed and not losses:
        floor = position.decision.floor * baskets // decided
        return f"Pays at least {formats.money(floor)} however the event ends; it cost {formats.money(cost)}."
    if not losses:
        return "No listed state loses money, but nothing says that one of them must come about; it is not guaranteed."
    worst = min(losses, key=lambda row: row["profit"])
    states = ", ".join(row["state"] for row in losses[:4]) + (" …" if len(losses) > 4 else "")
    return (
        f"A bet, not a guarantee. It loses if: {states}; at worst {formats.money(-worst['profit'])}. "
        f"By the prices at entry a covered outcome had a probability of {formats.share(position.decision.coverage_ppm)}."
    )


def progress(position: Position) -> dict[str, Any]:
    """Where the position stands on its way out; polled while it is active."""
    position.refresh_from_db(
        fields=["status", "realised", "proceeds", "payout", "close_type", "close_code", "residual", "ended_at"]
    )
    return {
        "position": position,
        "active": position.status in ACTIVE,
        "now": clock.now(),
        "request_of_exit": ExitRequest.objects.filter(position=position).order_by("-id").first(),
        "last": position.events.order_by("-id").first(),
    }


@never_cache
@permission_required("trading.view_position", raise_exception=True)
def progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The part that refreshes until the position has ended."""
    return render(request, "console/parts/progress.html", progress(get_object_or_404(Position, pk=pk)))


def timeline(position: Position) -> list[Moment]:
    """Events, orders, fills, bookings, exit requests and advice of one position in the order in which they happened."""
    moments = [
        Moment(
            position.decision.created_at,
            "decision",
            (position.decision.explanation or str(position.decision)).splitlines()[0],
            page_url("strategies.decision", position.decision_id),
            "info",
        )
    ]
    moments += [
        Moment(
            e.at,
            "event",
            f"{e.from_status or 'new'} → {e.to_status}: {e.reason} ({e.actor})"
            if e.to_status
            else f"{e.reason} ({e.actor})",
            page_url("trading.positionevent", e.pk),
            "plain",
        )
        for e in position.events.all()
    ]
    for order in position.orders.select_related("leg"):
        price, number = formats.price(order.price), formats.count(order.count)
        moments.append(
            Moment(
                order.created_at,
                "order",
                f"{order.action} {number} {order.side.upper()} {order.leg.market_id} at {price}: "
                f"{order.get_status_display()}, {formats.count(order.filled_count)} filled",
                page_url("trading.order", order.pk),
                "bad" if order.status == "rejected" else "plain",
            )
        )
    for fill in Fill.objects.filter(order__position=position).select_related("order__leg"):
        moments.append(
            Moment(
                fill.created_at,
                "fill",
                f"{formats.count(fill.count)} {fill.order.side.upper()} {fill.order.leg.market_id} at "
                f"{formats.price(fill.price)}, fee {formats.money(fill.fee)}, by {fill.source}",
                page_url("trading.fill", fill.pk),
                "good",
            )
        )
    for booking in position.ledger_transactions.prefetch_related("entries"):
        sums = ", ".join(
            f"{entry.account.replace('_', ' ')} {formats.gain(entry.amount)}" for entry in booking.entries.all()
        )
        moments.append(
            Moment(
                booking.at,
                "ledger",
                f"{booking.kind}: {sums}",
                page_url("trading.ledgertransaction", booking.pk),
                "plain",
            )
        )
    moments += [
        Moment(
            r.created_at, "exit requested", f"by {r.actor}: {r.reason}", page_url("trading.exitrequest", r.pk), "warn"
        )
        for r in position.exit_requests.all()
    ]
    moments += [
        Moment(r.opened_at, "advice", f"{r.advice}: {r.detail}", page_url("triage.recommendation", r.pk), "warn")
        for r in position.recommendations.all()
    ]
    return sorted(moments, key=lambda moment: moment.at)
