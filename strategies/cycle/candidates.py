"""What a cycle reads from the database before it reads prices: candidates, what blocks them, and how much money is left.

What is needed of positions comes through ``holdings``.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import BigIntegerField, CharField, DateTimeField, Q

from kalbot.common import clock
from kalbot.common.db import fetch
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets import selectors
from strategies.collateral.groups import Choices
from strategies.cycle import holdings, hurdles
from strategies.cycle.hurdles import Known
from strategies.models import Decision, Profile
from strategies.models import Verdict as VerdictRow
from strategies.reasons import Reason
from strategies.screening import versions
from strategies.screening.filters import Miss
from strategies.screening.verdict import Verdict

CATCH_UP_SECONDS: Final = 60.0
"""What other processes wrote into the rows of a list is read after half to one and a half of it."""
WHOLE_SECONDS: Final = 600.0
"""The same for the whole list."""
SCREENED_LATE: Final = timedelta(minutes=15)
JUDGED_LATE: Final = timedelta(seconds=30)
"""Rows may be written so much later than they say: a screening stamps them when it begins, a cycle when it writes."""


NEVER: Final = datetime.min.replace(tzinfo=UTC)
_COLUMNS: Final = ("distance_ppm", "pk", "event_id", "decisions", "live_constraint", "live_value", "live_at")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One verdict row that a cycle may act on, with what the last evaluation wrote into it. ``rank``: the lower, the more promising."""

    rank: tuple[int, int]
    verdict_id: int
    event: str
    decisions: int
    live_constraint: str
    live_value: str
    live_at: datetime | None


@dataclass(slots=True)
class Listed:
    """The candidates of one profile by event, and the verdicts that their rows are known to say (``said``). ``version``: of the rows,
    when they were read at ``read_at``; on the process's clock ``until`` that holds and ``whole_until`` the list itself."""

    by_event: dict[str, Candidate]
    said: dict[str, Verdict] = field(default_factory=dict)
    version: int = 0
    read_at: datetime = NEVER
    until: float = 0.0
    whole_until: float = 0.0


_lists: dict[int, Listed] = {}
"""What this process read of each profile. It only picks what to judge: ``decisions.take`` asks the row itself."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a profile has open: events that are blocked, the number of baskets, the capital left (micro-dollars), the number of
    baskets that are being quoted. ``choices``: how collateral is returned for what it opens now (None: not at all). ``hurdle``: what its
    capital is known to earn elsewhere (``hurdles.of``). ``at_work``: all of the capital, with the profits that work too."""

    blocked: dict[str, Reason]
    open_count: int
    capital_left: int
    quotes: int = 0
    choices: Choices | None = None
    hurdle: Known | None = None
    at_work: int = 0

    def too_many(self, profile: Profile) -> Miss | None:
        """Why ``profile`` may open no further basket: it has as many as it may. None when it may."""
        if self.open_count < profile.max_open_positions:
            return None
        return Miss(
            Reason.OPEN_POSITIONS, f"{self.open_count} open", f"at most {profile.max_open_positions - 1} before"
        )

    def with_at_most(self, capital: int | None) -> Exposure:
        """The same where no more than ``capital`` may be taken (None: all that is left)."""
        return self if capital is None else replace(self, capital_left=min(self.capital_left, capital))

    def after(self, locked: int) -> Exposure:
        """The same once a decision has locked so much (0: there was none)."""
        return replace(self, capital_left=self.capital_left - locked, open_count=self.open_count + (locked > 0))


def lists(profiles: Sequence[Profile]) -> dict[int, Listed]:
    """The candidates of each profile, by its id."""
    counted, at = versions.candidates([profile.pk for profile in profiles]), clock.monotonic()
    for profile in profiles:
        known = _lists.get(profile.pk)
        if known is not None and known.version == counted[profile.pk] and at < known.until:
            continue
        read_at = clock.now()
        if known is None or at >= known.whole_until or not _catch_up(profile, known):
            known = _lists[profile.pk] = _read(profile)
            known.whole_until = at + WHOLE_SECONDS * (0.5 + random.random())
        known.version, known.read_at = counted[profile.pk], read_at
        known.until = at + CATCH_UP_SECONDS * (0.5 + random.random())
    return {profile.pk: _lists[profile.pk] for profile in profiles}


def of_events(events: Collection[str]) -> Fetch[dict[int, Listed]]:
    """The candidates among ``events`` of each profile that has one, by its id, as the database has them now."""
    return Fetch(((_OF_EVENTS, {"events": events}),), lambda rows: _by_profile(rows[0]))


def _by_profile(rows: Iterable[Sequence[Any]]) -> dict[int, Listed]:
    found: dict[int, Listed] = {}
    for profile_id, status, *row in rows:
        if status == VerdictRow.Status.CANDIDATE:
            candidate = _candidate(*row)
            found.setdefault(profile_id, Listed({})).by_event[candidate.event] = candidate
    return found


_OF_EVENTS: Final = PreparedColumns(
    lambda: VerdictRow.objects.filter(event__in=Among("events", CharField())).values_list(
        "profile_id", "status", *_COLUMNS
    )
)
"""Of every status: with that in the statement SQLite reads all candidates there are, by the index for those."""


def _read(profile: Profile) -> Listed:
    rows = VerdictRow.objects.filter(profile=profile, status=VerdictRow.Status.CANDIDATE)
    found = (_candidate(*row) for row in rows.values_list(*_COLUMNS))
    return Listed({candidate.event: candidate for candidate in found})


def _candidate(
    distance_ppm: int | None, pk: int, event: str, decisions: int, constraint: str, value: str, at: datetime | None
) -> Candidate:
    return Candidate((distance_ppm or 0, pk), pk, event, decisions, constraint, value, at)


def _catch_up(profile: Profile, known: Listed) -> bool:
    """Read the rows that were written since the list was. False if it has not as many candidates then as the database: rows were
    removed."""
    rows = VerdictRow.objects.filter(profile=profile)
    screened, judged = known.read_at - SCREENED_LATE, known.read_at - JUDGED_LATE
    written = rows.filter(Q(updated_at__gte=screened) | Q(live_at__gte=judged))
    for status, *row in written.values_list("status", *_COLUMNS):
        candidate = _candidate(*row)
        if status != VerdictRow.Status.CANDIDATE:
            known.by_event.pop(candidate.event, None)
            known.said.pop(candidate.event, None)
        elif known.by_event.get(candidate.event) != candidate:
            known.by_event[candidate.event] = candidate
            known.said.pop(candidate.event, None)
    return rows.filter(status=VerdictRow.Status.CANDIDATE).count() == len(known.by_event)


def update(profile: Profile, listed: Listed, candidate: Candidate) -> None:
    """Its row was written: ``listed``, and the list that this process keeps of the profile, are to say so."""
    for each in (listed, _lists.get(profile.pk)):
        if each is not None and (old := each.by_event.get(candidate.event)) is not None:
            same = candidate.rank == old.rank  # for each of thousands in a cycle: a copy is made where one is needed
            each.by_event[candidate.event] = candidate if same else replace(candidate, rank=old.rank)
            each.said.pop(candidate.event, None)


def forget(profile: Profile | None = None) -> None:
    """Read the candidates of ``profile`` (of all, when None) again."""
    if profile is None:
        _lists.clear()
    else:
        _lists.pop(profile.pk, None)


def exposing(profile: Profile, at: datetime) -> Fetch[list[Any]]:
    """What ``exposure`` is made of, to be read with other things."""
    positions = holdings.current()
    since = at - timedelta(seconds=profile.cooldown_seconds)
    lately = {"profile": profile.pk, "since": since}
    return fetch.joined(
        fetch.rows_of(_TAKEN, **lately),
        fetch.rows_of(_ENDED, **lately),
        fetch.rows_of(_OPEN, profile=profile.pk, since=at - holdings.TAKEN_UP_WITHIN),
        positions.committed(profile),
        positions.collateral(profile),
        hurdles.known(profile),
    )


def exposure(profile: Profile, at: datetime, *, apart: bool = False, read: list[Any] | None = None) -> Exposure:
    """See Exposure. An event is blocked while a decision of it is open, and for the cooldown after one was taken or ended. ``apart``: the
    events it is read for share no markets with any other; what the others' baskets block beside themselves is left out then. ``read``: what
    ``exposing`` has found just now."""
    taken, ended, is_open, committed, collateral, least = exposing(profile, at).now() if read is None else read
    blocked = {event: Reason.COOLDOWN for (event,) in (*taken, *ended)}
    blocked.update((event, Reason.OPEN_POSITION) for (event,) in is_open)
    for event, cause in ({} if apart else selectors.overlapping(blocked)).items():
        blocked[event] = blocked[cause]
    at_work = profile.working + _profits_at_work(profile, committed.made)
    left = at_work - committed.money
    return Exposure(blocked, committed.decisions, left, committed.quotes, collateral, least, at_work)


def _profits_at_work(profile: Profile, made: int) -> int:
    """Of what the profile has made, what works beside its capital. Where profits wait it is none, but for what takes the place of
    capital: a sweep lowered what works by profits that had worked then, and the capital is what a person set still."""
    return max(0, min(made, profile.swept)) if profile.profits == Profile.Profits.WAIT else made


_OWNER, _SINCE = Param("profile", BigIntegerField()), Param("since", DateTimeField())
_TAKEN: Final = PreparedColumns(
    lambda: Decision.objects.filter(created_at__gt=_SINCE, profile=_OWNER).order_by().values_list("event_id")
)
_ENDED: Final = PreparedColumns(
    lambda: holdings.current().ended_since(_OWNER, _SINCE).order_by().values_list("event_id")
)
_OPEN: Final = PreparedColumns(
    lambda: holdings.current().open_decisions(_OWNER, _SINCE).order_by().values_list("event_id")
)
