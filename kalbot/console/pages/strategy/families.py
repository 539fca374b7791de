"""Families: the events that one value settles, which atoms their markets pay in, what their prices say, and what is missing elsewhere."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM
from kalbot.console.ui import value_plot
from markets.book import Side
from markets.models import Certificate, Event, RefusedFamily
from markets.terms.atoms import Atoms
from markets.terms.states import Holding, StateError, StateList, payoffs
from strategies.catalogue import live_quotes, universe
from strategies.catalogue.universe import EventView
from strategies.families import graphs, synthetic
from strategies.families.measure import centre
from strategies.families.screen import Cycle, Graph
from strategies.families.synthetic import Key
from strategies.models import Verdict
from strategies.reasons import sentence_of
from strategies.screening.price_screen import DOLLAR, family_legs
from trading.models import ACTIVE, Position

PRICE_MONEY: Final = DOLLAR // DOLLAR_PRICE
"""Micro-dollars in 1/10,000 dollar."""
MOST: Final = 100
"""Families and atoms that a page lists."""


@permission_required("markets.view_event", raise_exception=True)
def listing(request: HttpRequest) -> HttpResponse:
    """The open families with their verdicts, and the series that make none with the clause that is missing."""
    events = list(Event.objects.filter(is_family=True, is_open=True).order_by("close_time", "pk")[: MOST + 1])
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in Verdict.objects.filter(event__in=events).select_related("profile").order_by("profile__name"):
        verdicts.setdefault(verdict.event_id, []).append(verdict)
    granted = Certificate.objects.filter(event__in=events, status=Certificate.Status.GRANTED).select_related("terms")
    certificates = {one.event_id: one for one in granted}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Families",
        "more": len(events) > MOST,
        "rows": [
            {
                "event": event,
                "certificate": certificates.get(event.pk),
                "verdicts": [
                    (one, sentence_of(one.constraint) if one.constraint else "") for one in verdicts.get(event.pk, [])
                ],
            }
            for event in events[:MOST]
        ],
        "refused": RefusedFamily.objects.all()[:MOST],
    }
    return TemplateResponse(request, "console/families.html", context)


@permission_required("markets.view_event", raise_exception=True)
def one(request: HttpRequest, family: str) -> HttpResponse:
    """One family: its events, the atoms row by row with the probability that agrees with all quotes, and the nearest basket as a plot."""
    event = Event.objects.filter(pk=family, is_family=True).first()
    if event is None:
        raise Http404("no such family")
    certificate = Certificate.objects.filter(event=event).exclude(states={}).order_by("-version").first()
    atoms = None if certificate is None else _atoms(certificate)
    view = universe.load([family]).get(family)
    if view is not None:
        view = live_quotes.overlay(view, live_quotes.read([view]))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": event.title or event.pk,
        "event": event,
        "certificate": certificate,
        "members": [member.event for member in event.members.select_related("event").order_by("event_id")],
        "positions": Position.objects.filter(event=event, status__in=ACTIVE).select_related("profile"),
        "atoms": None if atoms is None else len(atoms),
        **({} if atoms is None else _prices(atoms, view)),
    }
    return TemplateResponse(request, "console/family.html", context)


def _atoms(certificate: Certificate) -> Atoms | None:
    """Those that it lists; None where what is stored cannot be read."""
    try:
        return StateList.from_json(certificate.states).atoms
    except StateError:
        return None


def _prices(atoms: Atoms, view: EventView | None) -> dict[str, Any]:
    """What the best quotes say: a probability of each atom, or the basket that they allow; the nearest basket either way."""
    measure: tuple[float, ...] | None = None
    nearest: Cycle | None = None
    names: dict[str, str] = {}
    rests: list[dict[str, Any]] = []
    if view is not None and view.fee_known:
        names = {outcome.ticker: outcome.name for outcome in view.outcomes}
        prices = {key: leg.cost / DOLLAR for key, leg in family_legs(view).items()}
        graph = graphs.of(view.ticker, atoms)
        measure, nearest = centre(graph, prices), graph.nearest(prices, PPM // 10)
        rests = [] if nearest is None else _rests(graph, view, prices, nearest)
    values = [
        (atoms.words(number), paying, None if measure is None else round(measure[number] * PPM))
        for number, paying in enumerate(atoms.paying())
    ]
    rows = [
        {
            "words": words,
            "paying": [(ticker, names.get(ticker) or ticker) for ticker in paying[:6]],
            "more": max(0, len(paying) - 6),
            "chance": chance,
        }
        for words, paying, chance in [*values, *((words, paying, None) for words, paying in atoms.further())]
    ]
    return {
        "rows": rows[:MOST],
        "rest": max(0, len(rows) - MOST),
        "coherent": measure is not None,
        "any_no": atoms.any_no,
        "rests": rests,
        **_nearest(atoms, nearest, names),
    }


def _rests(graph: Graph, view: EventView, prices: dict[Key, float], nearest: Cycle) -> list[dict[str, Any]]:
    """The synthetic price of each leg of the nearest basket beside the best bid of its side."""
    outcomes = {outcome.ticker: outcome for outcome in view.outcomes}
    found = []
    for (ticker, side), one in synthetic.of_legs(
        graph, prices, [(ask.ticker, ask.side) for ask in nearest.legs]
    ).items():
        outcome = outcomes[ticker]
        against = outcome.yes_ask
        bid = outcome.yes_bid if side is Side.YES else None if against is None else DOLLAR_PRICE - against
        found.append(
            {
                "is_yes": side is Side.YES,
                "ticker": ticker,
                "name": outcome.name or ticker,
                "bid": None if bid is None else bid * PRICE_MONEY,
                "most": int(one.most * DOLLAR),
                "others": [(s is Side.YES, outcomes[t].name or t) for t, s in one.others],
            }
        )
    return found


def _nearest(atoms: Atoms, cycle: Cycle | None, names: dict[str, str]) -> dict[str, Any]:
    if cycle is None:
        return {}
    holdings: list[Holding] = [(ask.ticker, ask.side, CONTRACT) for ask in cycle.legs]
    own = StateList.of_atoms(atoms.about({ask.ticker for ask in cycle.legs}))
    least = atoms.floor(holdings)
    cost = sum(ask.price for ask in cycle.legs) * DOLLAR
    legs = [
        (ask.side is Side.YES, ask.ticker, names.get(ask.ticker) or ask.ticker, round(ask.price * DOLLAR))
        for ask in cycle.legs
    ]
    return {
        "legs": legs,
        "cost": round(cost),
        "pays": least,
        "profit": round(least - cost),
        "plot": own.atoms and value_plot.of(own.atoms, payoffs(holdings, own), round(cost)),
    }
