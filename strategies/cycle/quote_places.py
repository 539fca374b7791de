"""Which candidates get the quotes that a profile may have at once, and which idle quote gives way to a better one.

The best by expected return on what is locked come first. A quote in which nothing happens gives way to one that is expected to return
much more: else those that came first would keep their places until their events end, whatever is traded elsewhere. Only a quote that has
filled nothing gives way, and only after a while: its place in the queue is worth something, and what is expected is known roughly. It is
withdrawn, nothing is sold; the next cycle quotes what then returns most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kalbot.common import clock, messages
from kalbot.common.units import PPM
from markets import traded
from strategies.cycle import holdings
from strategies.cycle.allocation import Turn
from strategies.cycle.candidates import Candidate
from strategies.models import Profile
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Status, Verdict, passed_over

RESTED: Final = timedelta(seconds=30)
"""A quote rests so long before another one may take its place."""
BETTER: Final = 3.0
"""And then for so many times what it returns itself: its own orders stand in the books that this is judged by."""


def expected_return(verdict: Verdict) -> float:
    """Expected profit of a quote on the capital that it locks; 0 where the verdict is no quote."""
    locked = 0 if verdict.basket is None else verdict.basket.cost_at_limits
    return verdict.quote.get("expected", 0) / locked if locked and verdict.status is Status.CANDIDATE else 0.0


@dataclass(frozen=True, slots=True)
class Places:
    """``turns``: those that may be quoted now, the best first. ``waiting``: the best of the others, with its verdict."""

    turns: list[Turn]
    waiting: tuple[str, Verdict] | None


def of(profile: Profile, paying: Sequence[Candidate], verdicts: dict[str, Verdict], open_quotes: int) -> Places:
    """The candidates that may be quoted; the others' verdicts say why not."""
    ranked = sorted((c for c in paying if verdicts[c.event].quote), key=lambda c: -expected_return(verdicts[c.event]))
    free = max(0, profile.max_quotes - open_quotes)
    waiting = [(candidate.event, verdicts[candidate.event]) for candidate in ranked[free:]]
    for event, verdict in waiting:
        miss = Miss(Reason.QUOTES, f"{open_quotes} quoted", f"at most {profile.max_quotes} at once")
        verdicts[event] = passed_over(verdict, miss)
    return Places([Turn(candidate) for candidate in ranked[:free]], waiting[0] if waiting else None)


def replace(profile: Profile, waiting: str, best: Verdict, judge: Callable[[str], Verdict | None]) -> str | None:
    """Have the worst idle quote withdrawn for the quote that ``waiting`` (an event) would have, if that returns much more. Returns its
    event. ``judge``: what would be quoted in an event now, None where that is not known."""
    if best.basket is None or not is_counted(best):
        return None
    idle = holdings.current().idle_quotes(profile, clock.now() - RESTED)
    judged = [(expected_return(found), event) for event in sorted(idle) if (found := judge(event)) is not None]
    if not judged:
        return None
    worst, event = min(judged)
    if expected_return(best) <= BETTER * worst:
        return None
    why = f"{waiting} is expected to return {_share(expected_return(best))}, this one {_share(worst)}"
    messages.send(messages.REPLACE_QUOTE, profile.pk, event, why)
    return event


def is_counted(verdict: Verdict) -> bool:
    """Whether the trades of its markets have been counted: without them every quote is expected to fill."""
    return (
        verdict.basket is not None and traded.rates([(leg.ticker, leg.side) for leg in verdict.basket.legs]) is not None
    )


def _share(of_locked: float) -> str:
    return f"{round(of_locked * PPM) / 10_000:.4f} % of what it locks"
