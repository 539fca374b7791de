"""Several live profiles on one book: contracts that one decided to take are not there for the next, bids of our own are nobody's to be
taken, and whose turn it is.

Profiles on paper have each an exchange of its own (``trading.venues.paper``); they share nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, CharField, DateTimeField, Max

from kalbot.common import clock
from kalbot.common.db import fetch
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.book import Depth, Level, Side
from markets.models import Event
from strategies.cycle import holdings
from strategies.models import Decision, Profile
from strategies.profiles.sharing import beside, shares

CLAIMED_FOR: Final = timedelta(seconds=10)
"""After that an order has left or was denied, and the books show what it took. Until then a book may show it already: then it is
taken off twice, which costs a smaller basket, never the same contracts."""
REMEMBERED_FOR: Final = timedelta(days=1)
_NOBODY: Final = datetime.min


@dataclass(frozen=True, slots=True)
class Claims:
    """Live decisions of a moment ago on some markets (``ids``), what they take: (ticker, side) -> 1/100 contracts, and the highest bids
    that we rest there ourselves (``own``)."""

    ids: frozenset[UUID] = frozenset()
    taken: Mapping[tuple[str, str], int] = field(default_factory=dict)
    own: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def left(self, books: Mapping[str, Depth]) -> dict[str, Depth]:
        """``books`` (by ticker) without what is taken, the best levels first."""
        return {ticker: self._left(ticker, depth) for ticker, depth in books.items()} if self.taken else dict(books)

    def reach(self, books: Mapping[str, Depth]) -> dict[str, Depth]:
        """``books`` as far as orders that take can go: no order of ours may trade with one of our own."""
        return {ticker: self._reach(ticker, depth) for ticker, depth in books.items()} if self.own else dict(books)

    def _reach(self, ticker: str, depth: Depth) -> Depth:
        yes, no = (self.own.get((ticker, side.value), 0) for side in (Side.YES, Side.NO))
        return Depth(
            tuple(level for level in depth.yes_bids if level[0] > yes),
            tuple(level for level in depth.no_bids if level[0] > no),
        )

    def _left(self, ticker: str, depth: Depth) -> Depth:
        # Who buys YES takes NO bids, and the other way round.
        yes = _without(depth.yes_bids, self.taken.get((ticker, Side.NO.value), 0))
        return Depth(yes, _without(depth.no_bids, self.taken.get((ticker, Side.YES.value), 0)))


def of(profile: Profile, tickers: Collection[str]) -> Claims:
    """What decisions of the last moments of profiles that share with this one take of these markets, and what is their own there; nothing
    on paper. Quotes rest and take nothing."""
    if not shares(profile):
        return Claims()
    rows, own = fetch.together(_lately(profile), holdings.current().own_bids(tickers, profile.mode))
    ids: set[UUID] = set()
    taken: dict[tuple[str, str], int] = {}
    for pk, legs in rows:
        for leg in _among(legs, tickers):
            ids.add(pk)
            key = leg["ticker"], leg["side"]
            taken[key] = taken.get(key, 0) + leg["count"]
    return Claims(frozenset(ids), taken, own)


def locking(profile: Profile, events: Collection[str]) -> list[Statement]:
    """The statements whose rows ``still`` takes, in the transaction that inserts a decision, which then is the only one on ``events`` until
    it ends. None for a profile that shares with nobody."""
    if not shares(profile):
        return []
    lately = [query.statement(**values) for query, values in _lately(profile).queries]
    return [_EVENTS.statement(events=events), *lately]


def still(claims: Claims, profile: Profile, tickers: Collection[str], rows: Sequence[list[Any]]) -> bool:
    """Whether nobody has decided on these markets since ``claims`` were read. ``rows``: of the statements of ``locking``."""
    if not shares(profile):
        return True
    lately = _of_mode(profile.mode).made(rows[1])
    return {pk for pk, legs in lately if _among(legs, tickers)} <= claims.ids


def in_turn(profiles: Sequence[Profile]) -> list[Profile]:
    """``profiles`` in the order in which they may take what several want: those first that decided longest ago, or not within a day;
    by name where that is the same."""
    if len(profiles) < 2:
        return list(profiles)
    last = _LAST.rows(profiles=[profile.pk for profile in profiles], since=clock.now() - REMEMBERED_FOR)
    decided = {pk: at.replace(tzinfo=None) for pk, at in last}
    return sorted(profiles, key=lambda profile: (decided.get(profile.pk, _NOBODY), profile.name))


def _among(legs: Sequence[dict[str, Any]], tickers: Collection[str]) -> list[dict[str, Any]]:
    return [leg for leg in legs if leg["ticker"] in tickers]


def _without(levels: tuple[Level, ...], count: int) -> tuple[Level, ...]:
    """``levels`` less ``count``, from the best on."""
    if not count:
        return levels
    found: list[Level] = []
    for price, offered in levels:
        gone = min(count, offered)
        count -= gone
        if offered > gone:
            found.append((price, offered - gone))
    return tuple(found)


def _lately(profile: Profile) -> Fetch[list[Any]]:
    return fetch.rows_of(_of_mode(profile.mode), since=clock.now() - CLAIMED_FOR)


@cache
def _of_mode(mode: str) -> PreparedColumns:
    """Decisions of a mode by profiles that share, which take what they buy."""
    return PreparedColumns(
        lambda: (
            Decision.objects.filter(**beside(mode), created_at__gt=_SINCE, quote={})
            .order_by()
            .values_list("pk", "legs")
        )
    )


_SINCE = Param("since", DateTimeField())
_EVENTS: Final = PreparedColumns(
    lambda: (
        Event.objects.select_for_update(no_key=True)
        .filter(pk__in=Among("events", CharField()))
        .order_by("pk")
        .values_list("pk")
    )
)
"""Locks them, in the order of their keys."""
_LAST: Final = PreparedColumns(
    lambda: (
        Decision.objects.filter(created_at__gt=_SINCE, profile__in=Among("profiles", BigIntegerField()))
        .order_by()
        .values("profile_id")
        .annotate(last=Max("created_at"))
        .values_list("profile_id", "last")
    )
)
