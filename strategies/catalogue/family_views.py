"""Families as the strategies see them: the views of their events laid together, with the atoms of the certificate in force."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.models import CharField, F, QuerySet

from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Among
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.kalshi.vocabulary import MarketStatus
from markets.models import Certificate, FamilyMember
from markets.terms.atoms import AtomError, Atoms
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade

if TYPE_CHECKING:
    from strategies.catalogue.universe import EventView

ACTIVE: Final = MarketStatus.ACTIVE.value
log = logging.getLogger(__name__)


class Member(NamedTuple):
    """One event of a family."""

    ticker: str
    series: str


@dataclass(frozen=True, slots=True)
class Family:
    """A family with a certificate for exactly its facts of now. ``certificate``: pk, grade, states as stored."""

    ticker: str
    title: str
    rules_hash: str
    events: tuple[str, ...]
    certificate: Mapping[str, Any]


def of(tickers: Sequence[str] | None) -> list[Family]:
    """The open families with a certificate in force (of ``tickers``, if given), by ticker."""
    return fetching(tickers).now()


def fetching(tickers: Sequence[str] | None) -> Fetch[list[Family]]:
    """``of``, to be read with other things; the members of those that there are follow."""
    if tickers is None:
        return Fetch(((_ALL, {}),), lambda rows: _families(_ALL.named(rows[0])))
    return Fetch(((_OF, {"tickers": tickers}),), lambda rows: _families(_OF.named(rows[0])))


def _families(rows: Iterable[Mapping[str, Any]]) -> list[Family]:
    granted = {row["event_id"]: row for row in rows if row["status"] == Certificate.Status.GRANTED}
    if not granted:
        return []
    members: dict[str, list[str]] = defaultdict(list)
    pairs = FamilyMember.objects.filter(family__in=granted).order_by("event_id").values_list("family_id", "event_id")
    for family, event in pairs:
        members[family].append(event)
    return [
        Family(ticker, row["event__title"], row["event__rules_hash"], tuple(members[ticker]), row)
        for ticker, row in sorted(granted.items())
    ]


def _certificates() -> QuerySet[Certificate]:
    return Certificate.objects.filter(
        event__is_family=True,
        event__is_open=True,
        reading=CERTIFICATE_VERSION,
        rules_hash=F("event__rules_hash"),
    )


_COLUMNS: Final = ("event_id", "status", "pk", "grade", "states", "event__title", "event__rules_hash")
_ALL: Final = PreparedColumns(lambda: _certificates().filter(status=Certificate.Status.GRANTED).values_list(*_COLUMNS))
_OF: Final = PreparedColumns(
    lambda: _certificates().filter(event__in=Among("tickers", CharField())).values_list(*_COLUMNS)
)


def views(families: Iterable[Family], listed: Mapping[str, EventView]) -> dict[str, EventView]:
    """The view of each family all of whose events are among ``listed``; one with an event that is not open is none."""
    found = {}
    for family in families:
        if not family.events or any(event not in listed for event in family.events):
            continue
        try:
            atoms, grade = Atoms.from_json(family.certificate["states"]["atoms"]), Grade(family.certificate["grade"])
        except (AtomError, KeyError, TypeError, ValueError) as error:
            log.error("the certificate of %s cannot be read: %r", family.ticker, error)
            continue
        found[family.ticker] = _view(family, atoms, grade, [listed[event] for event in family.events])
    return found


def _view(family: Family, atoms: Atoms, grade: Grade, events: Sequence[EventView]) -> EventView:
    first = events[0]
    listed = [outcome for event in events for outcome in event.outcomes]
    outcomes = tuple(sorted(outcome for outcome in listed if outcome.ticker in atoms.spans))
    odd = next((f"{event.ticker}: {event.oddity}" for event in events if event.oddity), "")
    strange = [outcome for outcome in listed if outcome.ticker not in atoms.spans and outcome.status == ACTIVE]
    if strange or len(outcomes) < len(atoms.spans):  # a date that has passed is left out of a date ladder
        odd = odd or "its markets are not those of its certificate"
    return replace(
        first,
        ticker=family.ticker,
        title=family.title,
        exclusive=False,
        fees=_fees(events),
        shards=tuple(sorted({shard for event in events for shard in event.shards})),
        oddity=odd,
        closes_ms=_first(event.closes_ms for event in events),
        over_ms=max((event.over_ms for event in events if event.over_ms is not None), default=None),
        ends_ms=_first(event.ends_ms for event in events),
        volume=sum(event.volume for event in events),
        open_interest=sum(event.open_interest for event in events),
        rules_hash=family.rules_hash,
        certified=False,
        certificate_id=family.certificate["pk"],
        outcomes=outcomes,
        grade=grade,
        states=None,
        discretion=tuple(sorted({sentence for event in events for sentence in event.discretion})),
        late_ms=max(event.late_ms for event in events),
        members=tuple(Member(event.ticker, event.series) for event in events),
        atoms=atoms,
    )


def _fees(events: Sequence[EventView]) -> Mapping[str, tuple[str, int]]:
    """The fee of each market; empty where all events have one."""
    if len({event.fee_of("") for event in events}) == 1:
        return {}
    return {outcome.ticker: event.fee_of("") for event in events for outcome in event.outcomes}


def _first(moments: Iterable[int | None]) -> int | None:
    """The earliest; None where one is not known."""
    known = list(moments)
    return None if None in known else min(moment for moment in known if moment is not None)
