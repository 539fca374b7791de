"""The page of one event: its books as depth bars, the certificate with its evidence, what each profile thinks, and what is held on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from kalbot.common import clock
from kalbot.console.ops import price_history
from kalbot.console.ops.health import status
from kalbot.console.ui import formats
from kalbot.console.ui.plots import Plot
from markets.models import Certificate, Event, Market
from markets.prices import EventPrices, MarketPrice, PriceReader
from markets.terms.exhaustiveness import at_most_one_wins
from strategies.models import Verdict
from trading.models import ACTIVE, Position

LEVELS = 6
LINES = 8


def context(event: Event) -> dict[str, Any]:
    """Everything that the page shows beside the plain columns."""
    certificates = list(Certificate.objects.filter(event=event).order_by("-version")[:10])
    last = certificates[0] if certificates else None
    return {
        "event": event,
        "at_most_one": at_most_one_wins(event.mutually_exclusive, event.collateral_return_type),
        "certificates": certificates,
        "certificate": last,
        "certificate_stands": bool(last and last.status == "granted" and last.rules_hash == event.rules_hash),
        "verdicts": Verdict.objects.filter(event=event).select_related("profile").order_by("profile__name"),
        "held": Position.objects.filter(event=event, status__in=ACTIVE).select_related("profile"),
        **books(event),
        **history(event),
    }


def history(event: Event) -> dict[str, Any]:
    """The history of YES asks and of what YES on all outcomes cost, as plots; empty texts without a history."""
    points = price_history.of(event.ticker)
    names = dict(event.markets.order_by("ticker").values_list("ticker", "yes_sub_title"))
    prices, sums = Plot("YES ask, dollars"), Plot("dollars")
    if points:
        at = [*(clock.from_ms(point.at_ms) for point in points), prices.now]
        points.append(points[-1])  # what was seen last holds until now
        latest = points[-1].quotes
        shown = sorted(names, key=lambda ticker: -(ask_of(latest.get(ticker)) or 0))[:LINES]
        for ticker in shown:
            asks = [ask_of(point.quotes.get(ticker)) for point in points]
            prices.line(names[ticker] or ticker, list(zip(at, asks, strict=True)))
        sums.line(
            "YES on all, at the asks", list(zip(at, [cost_of_all(point, names) for point in points], strict=True))
        )
        sums.line(
            "what one of them pays", [(at[0], 1.0), (at[-1], 1.0)], colour="#6b7280", borderDash=[5, 4], borderWidth=1
        )
    return {
        **prices.context("price"),
        **sums.context("sum"),
        "others": max(0, len(names) - LINES),
        "since": clock.from_ms(points[0].at_ms) if points else None,
    }


def ask_of(quote: tuple[int | None, int | None] | None) -> float | None:
    """Dollars at which YES is offered; None where nobody offers it. What is offered can be bought, a middle cannot."""
    return None if quote is None or quote[1] is None else quote[1] / 10_000


def cost_of_all(point: price_history.Point, tickers: Iterable[str]) -> float | None:
    """Dollars that YES on every outcome would have cost before fees; None when one was not offered."""
    asks = [point.quotes.get(ticker, (None, None))[1] for ticker in tickers]
    return None if None in asks else sum(ask for ask in asks if ask is not None) / 10_000


def books(event: Event) -> dict[str, Any]:
    """The live books of every outcome, and whether they may be believed."""
    live = PriceReader().events([event.ticker])[event.ticker]
    markets = list(event.markets.order_by("ticker"))
    return {
        "event": event,
        "now": clock.now(),
        "books": [book(market, live.markets.get(market.ticker)) for market in markets],
        "books_say": say(live),
        "books_live": is_fresh(live),
        "sums": sums(markets, live),
    }


def is_fresh(prices: EventPrices) -> bool:
    """Whether these are the prices of now: of the living connection, which proved its life lately."""
    return prices.live and prices.age_ms(clock.now_ms()) < status.FRESH_MS


def say(prices: EventPrices) -> str:
    """What these books are worth, in words."""
    if prices.live:
        age = formats.milliseconds(prices.age_ms(clock.now_ms()))
        return f"live, last proof of life {age} ago" if is_fresh(prices) else f"silent for {age}: not the prices of now"
    return (
        "of a connection that is gone"
        if prices.epoch
        else "not kept: nobody watches this event; the quotes are the last scan's"
    )


def book(market: Market, live: MarketPrice | None) -> dict[str, Any]:
    """One outcome: YES and NO bids, best first, with widths in per cent of the deepest level shown."""
    depth = live.depth if live is not None else None
    yes = list(depth.yes_bids[:LEVELS]) if depth else []
    no = list(depth.no_bids[:LEVELS]) if depth else []
    most = max([1, *(count for _, count in (*yes, *no))])

    def bars(levels: list[Any]) -> list[dict[str, Any]]:
        return [{"price": price, "count": count, "width": round(100 * count / most)} for price, count in levels]

    return {
        "market": market,
        "suspect": bool(live and live.suspect),
        "has_book": depth is not None,
        "yes": bars(yes),
        "no": bars(no),
    }


def sums(markets: list[Market], live: EventPrices) -> list[tuple[str, int | None]]:
    """Sum of the best asks over all outcomes, YES and NO; None where an outcome is not offered at all."""

    def ask(market: Market, side: str) -> int | None:
        seen = live.markets.get(market.ticker) if live.live else None
        if seen is not None and seen.depth is not None:
            other = seen.depth.no_bids if side == "yes" else seen.depth.yes_bids
            return 10_000 - other[0][0] if other else None
        if side == "yes":
            return market.yes_ask
        return None if market.yes_bid is None else 10_000 - market.yes_bid

    found: list[tuple[str, int | None]] = []
    for side in ("yes", "no"):
        asks = [ask(market, side) for market in markets]
        found.append(
            (f"{side.upper()} on all", None if None in asks or not asks else sum(a for a in asks if a is not None))
        )
    return found


@never_cache
@permission_required("markets.view_event", raise_exception=True)
def books_part(request: HttpRequest, event: str) -> HttpResponse:
    """The part with the books, refreshed while the page is open."""
    return render(request, "console/parts/books.html", books(get_object_or_404(Event, pk=event)))
