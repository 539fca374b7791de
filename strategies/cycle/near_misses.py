"""Near-miss episodes as cycles follow them: what this process wrote itself a moment ago is neither read nor written again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from kalbot.common import clock
from strategies.cycle.shared import Shared
from strategies.models import Profile
from strategies.reasons import Reason
from strategies.screening import episodes
from strategies.screening.verdict import Status, Verdict

STILL_NEAR: Final = timedelta(seconds=60)
"""The proof that an episode goes on, on books that do not move, is written so often."""
KEEP_SECONDS: Final = 60.0
"""The open episodes are read again after half to one and a half of it: other processes open and end some too."""


@dataclass(slots=True)
class _Seen:
    """When an episode was last seen, and what its row is known to say (None: another process wrote it)."""

    at: datetime
    said: tuple[Any, ...] | None = None


@dataclass(slots=True)
class _Open:
    """The open episodes of one profile by event, until the memory lapses."""

    episodes: dict[str, _Seen]
    until: float


_open: dict[int, _Open] = {}


def follow(profile: Profile, own: Mapping[str, Verdict], shared: Shared, at: datetime) -> None:
    """Feed the episodes with what live books showed; unusable prices say nothing about closeness.

    A recalled verdict adds nothing to an episode but the proof that it still goes on.
    """
    known = _known(profile)
    ended = _ended(known, own, shared)
    news: dict[str, Verdict] = {}
    again: list[str] = []
    near = {ticker: verdict for ticker, verdict in shared.near.items() if ticker not in own}
    near |= {t: verdict for t, verdict in own.items() if verdict.on_books and verdict.status is Status.NEAR_MISS}
    for ticker, verdict in near.items():
        seen = known.get(ticker)
        if seen is None or not verdict.recalled:
            news[ticker] = verdict
        elif at - seen.at >= STILL_NEAR:
            if seen.said == _says(verdict):
                again.append(ticker)
            else:
                news[ticker] = verdict
    episodes.follow(profile, news, ended, at)
    episodes.go_on(profile, again, at)
    known.update((ticker, _Seen(at, _says(verdict))) for ticker, verdict in news.items())
    for ticker in again:
        if (seen := known.get(ticker)) is not None:
            seen.at = at
    for ticker in ended:
        known.pop(ticker, None)  # a cycle in another thread may have ended it since


def forget(profile: Profile | None = None) -> None:
    """Read the episodes of ``profile`` (of all, when None) again."""
    if profile is None:
        _open.clear()
    else:
        _open.pop(profile.pk, None)


def _known(profile: Profile) -> dict[str, _Seen]:
    found = _open.get(profile.pk)
    if found is None or clock.monotonic() >= found.until:
        seen = {ticker: _Seen(at) for ticker, at in episodes.running(profile).items()}
        found = _Open(seen, clock.monotonic() + KEEP_SECONDS * (0.5 + random.random()))
        _open[profile.pk] = found
    return found.episodes


def _ended(known: Mapping[str, _Seen], own: Mapping[str, Verdict], shared: Shared) -> dict[str, str]:
    """Open episodes that have come to an end, and what they became."""
    ended: dict[str, str] = {}
    for ticker in list(known):
        verdict = own.get(ticker) or shared.verdicts.get(ticker)
        if verdict is None:
            continue
        if verdict.status is Status.CANDIDATE:
            ended[ticker] = Reason.DECIDED.value
        elif verdict.on_books and verdict.status is Status.REJECTED:
            ended[ticker] = "moved away"
    return ended


def _says(verdict: Verdict) -> tuple[Any, ...]:
    """What an episode's row says of its last verdict."""
    return verdict.constraint, verdict.value, verdict.distance_ppm
