"""Titles of outcomes for rows that name a market by its ticker alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markets.models import Market


def title_of(market: Market) -> str:
    """An outcome with its event, for people."""
    return f"{market.yes_sub_title or market.pk}: {market.event.title}"


def ticker_in(text: str) -> str:
    """The part of a text that names a market if anything of it does: ``0:TICKER`` is that of a subaccount."""
    return text.rpartition(":")[2]


def named(rows: Sequence[Any], field: str) -> Sequence[Any]:
    """``rows``, each with the market that its ``field`` names as ``market_named`` (None: none). One query."""
    wanted = {ticker_in(getattr(row, field)) for row in rows}
    markets = {one.pk: one for one in Market.objects.filter(pk__in=wanted).select_related("event")}
    for row in rows:
        row.market_named = markets.get(ticker_in(getattr(row, field)))
    return rows


def about(row: Any) -> str:
    """What ``named`` found for a row, as the beginning of a sentence; empty where it found nothing."""
    market = row.market_named
    return "" if market is None else f"{title_of(market)}: "


def titles(tickers: Iterable[str]) -> dict[str, str]:
    """The titles of these tickers, of those that are known here. One query."""
    return {one.pk: title_of(one) for one in Market.objects.filter(pk__in=set(tickers)).select_related("event")}
