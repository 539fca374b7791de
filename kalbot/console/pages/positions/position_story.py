"""The page of one position: what it pays in every state, the arithmetic of its entry, triage, and everything that happened, in order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.contrib.auth.decorators import permission_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from kalbot.common import clock
from kalbot.common.units import PPM
from kalbot.console.pages.positions import triage_card
from kalbot.console.ui import formats, value_plot, waits
from kalbot.console.ui.links import page_url
from kalbot.console.ui.order_words import outcome
from markets.models import Certificate, Market
from markets.terms.atoms import Atoms
from markets.terms.grades import Grade
from markets.terms.special_settlements import residual
from strategies.models import Kind
from trading import selectors, waiting
from trading.models import ACTIVE, TERMINAL, ExitRequest, Fill, Leg, Position, PositionStatus
from trading.quoted import open_quotes
from trading.safety import halt
from trading.selectors import Held


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
        "decision": decision,
        "edge": decision.floor - decision.cost,
        "opened_as": Grade(position.grade).label,
        **triage_card.context(position),
        **progress(position),
    }


def names_of(position: Position) -> dict[str, str]:
    """The names of every outcome of the position's events, held or not, by ticker."""
    events = position.legs.values("market__event")
    outcomes = Market.objects.filter(event__in=events).exclude(yes_sub_title="")
    return dict(outcomes.values_list("ticker", "yes_sub_title"))


def payoff(held: Held, names: dict[str, str]) -> list[dict[str, Any]]:
    """What the held legs pay in each state that is still possible, against what they cost; widths in per cent of the largest."""
    most = max([held.cost, 1, *(row.pays for row in held.payoff)])
    return [
        {
            "state": row.state.words(names),
            "pays": row.pays,
            "profit": row.pays - held.cost,
            "width": round(100 * row.pays / most, 1),
            "cost_at": round(100 * held.cost / most, 1),
        }
        for row in held.payoff
    ]


def plot_of(position: Position, held: Held) -> value_plot.ValuePlot | None:
    """What is held of a basket across events pays over the values that are still possible, and what its other legs brought; None for other
    baskets, and where nothing is held or nothing is known of the payoff."""
    if held.is_flat or not held.payoff or "atoms" not in position.states[0]:
        return None
    atoms = Atoms.from_json(position.states[0]["atoms"])
    amounts = [(row.state, row.pays) for row in held.payoff]
    return value_plot.of(atoms, amounts, held.cost, received_of(position.legs.all()))


def received_of(legs: Iterable[Leg]) -> int:
    """What sales and settlements of these legs brought, micro-dollars."""
    return sum(leg.sold_proceeds + leg.payout for leg in legs)


def in_words(position: Position, held: Held, names: dict[str, str]) -> str:
    """What is held now, how sure its payoff is, and what can be lost, in a few sentences."""
    if held.is_flat:
        return ended_in_words(position)
    if held.unknown:
        return f"What is held cost {formats.money(held.cost)}. What it pays is not known: {held.unknown}."
    sentences = []
    if held.naked:
        legs = ", ".join(f"{formats.count(one.naked)} {leg_name(one.leg, names)}" for one in held.naked)
        sentences.append(f"Naked: {legs} beyond the whole baskets.")
    if held.grade is Grade.CONDITIONAL:
        losses = [row for row in held.payoff if row.pays < held.cost]
        states = "; ".join(row.state.words(names) for row in losses[:4]) + (" …" if len(losses) > 4 else "")
        worst = held.cost - held.floor
        if worst > 0:
            sentences.append(
                f"{Grade.CONDITIONAL.label.capitalize()}: it can lose {formats.money(worst)}{f', if: {states}' if states else ''}."
            )
        else:
            sentences.append("It loses in no listed state, but the list of states is not certified.")
    else:
        sentences.append(
            f"What is held pays at least {formats.money(held.floor)} in every listed state; it cost {formats.money(held.cost)}."
        )
    if position.decision.coverage_ppm < PPM and position.kind == Kind.COVERAGE:
        share = formats.share(position.decision.coverage_ppm)
        sentences.append(f"By the prices at entry a covered outcome had a probability of {share}.")
    return " ".join(sentences)


def at_discretion(position: Position) -> str:
    """What the exchange may do at its discretion, with the words of the certificate that the position rests on."""
    certificate = position.decision.certificate
    return residual(position.event_id, () if certificate is None else certificate.residual)


def demoted(position: Position) -> str:
    """Why nothing more is bought on the certificate of an open position; "" while one is in force.

    Of a basket across events that may be because a market has ended. That of a single event ends with any state of its markets,
    so only a person's revocation is said.
    """
    if position.status not in ACTIVE:
        return ""
    newest = Certificate.objects.filter(event=position.event_id).order_by("-version").first()
    if position.kind != Kind.FAMILY:
        return _revoked(newest) if position.decision.certificate_id is not None else ""
    if newest is None:
        return "Nothing more is bought: its events have no certificate in common."
    if newest.status == Certificate.Status.GRANTED and newest.rules_hash == position.event.rules_hash:
        return ""
    return f"Nothing more is bought: the certificate of its events is {newest.get_status_display().lower()}. {newest.reason}"


def _revoked(newest: Certificate | None) -> str:
    if newest is None or newest.status != Certificate.Status.REVOKED:
        return ""
    return (
        f"Nothing more is bought: {newest.actor} revoked the certificate of its event: {newest.reason}. "
        "Its floor counts the settlements as they were listed when it was opened, and nothing else is sure of it."
    )


def ended_in_words(position: Position) -> str:
    """The sentence of a position that holds nothing: not bought yet, never bought, or how it ended; the grade in the past tense."""
    bought = position.legs.aggregate(total=Sum("bought_count"))["total"] or 0
    if not bought:
        return "Nothing was bought." if position.status in TERMINAL else "Nothing is held yet."
    if position.grade == Grade.CONDITIONAL:
        return "Nothing is held now."
    grade = Grade(position.grade).label
    if any(not leg.bought_count for leg in position.legs.all()):
        return f"It was decided as {grade}, but never held in whole: some legs were not bought. Nothing is held now."
    return f"It was {grade} when it was opened. Nothing is held now."


def progress(position: Position) -> dict[str, Any]:
    """All that changes while a position is active; polled until it has ended."""
    position.refresh_from_db()
    held, names = selectors.held_now(position), names_of(position)
    legs = list(position.legs.select_related("market"))
    return {
        "position": position,
        "active": position.status in ACTIVE,
        "now": clock.now(),
        "request_of_exit": ExitRequest.objects.filter(position=position).order_by("-id").first(),
        "exit_waits": halt.exit_waits(position.profile),
        "last": position.events.order_by("-id").first(),
        "held": held,
        "waits": waits.sentence(waiting.of(position)),
        "quote": open_quotes.of(position) if position.status == PositionStatus.QUOTING else None,
        "grade": "" if held.is_flat else held.grade.label,
        "discretion": "" if held.is_flat else at_discretion(position),
        "demoted": demoted(position),
        "payoff": [] if held.is_flat else payoff(held, names),
        "plot": plot_of(position, held),
        "sentence": in_words(position, held, names),
        "legs": legs,
        "spent": sum(leg.bought_cost for leg in legs),
        "received": received_of(legs),
        "timeline": timeline(position, names),
    }


@never_cache
@permission_required("trading.view_position", raise_exception=True)
def progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The parts that refresh until the position has ended: the header, what is held, and everything that happened."""
    position = get_object_or_404(Position.objects.select_related("decision", "profile", "event"), pk=pk)
    return render(request, "console/parts/position_refresh.html", seen_by(request, progress(position)))


SEEN_WITH: Final = {
    "decision": "strategies.view_decision",
    "event": "trading.view_positionevent",
    "order": "trading.view_order",
    "fill": "trading.view_fill",
    "ledger": "trading.view_ledgertransaction",
    "exit requested": "trading.view_exitrequest",
    "advice": "triage.view_recommendation",
}
"""What a line of the timeline is, and the permission of the list that has it."""


def seen_by(request: HttpRequest, shown: dict[str, Any]) -> dict[str, Any]:
    """``shown`` with the lines of the timeline that this person may see in their lists."""
    may = {what for what, permission in SEEN_WITH.items() if request.user.has_perm(permission)}
    return {**shown, "timeline": [moment for moment in shown["timeline"] if moment.what in may]}


def leg_name(leg: Leg, names: dict[str, str]) -> str:
    """A leg for people: its side and its outcome's name."""
    return f"{leg.side.upper()} {names.get(leg.market_id, leg.market_id)}"


def timeline(position: Position, names: dict[str, str]) -> list[Moment]:
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
                f"{order.action} {number} {leg_name(order.leg, names)} at {price}: "
                f"{outcome(order)}, {formats.count(order.filled_count)} of {number}",
                page_url("trading.order", order.pk),
                "bad" if order.status == "rejected" else "plain",
            )
        )
    for fill in Fill.objects.filter(order__position=position).select_related("order__leg"):
        moments.append(
            Moment(
                fill.created_at,
                "fill",
                f"{formats.count(fill.count)} {leg_name(fill.order.leg, names)} at "
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
