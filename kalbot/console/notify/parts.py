"""Which parts of the system are down, long enough to wake somebody, and which are back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from kalbot.console.notify.drafts import Draft
from kalbot.console.notify.models import Cursor, EventKind
from kalbot.console.ops.health import status
from kalbot.console.ops.health.part import Part

DOWN_AFTER: Final = timedelta(seconds=30)
"""A part must be bad for so long before somebody is woken."""
WELL_AFTER: Final = timedelta(seconds=15)
"""A part that is well for less than this between two faults has been bad all the while."""
AGAIN_WITHIN: Final = timedelta(hours=1)
"""Each time that a part came back within this, it must be bad for twice as long before it is reported once more."""
MOST_DOUBLINGS: Final = 5


@dataclass
class Health:
    """What is remembered of one part. Moments in ISO 8601, empty for none; ``returns``: how often it came back lately."""

    bad_since: str = ""
    well_since: str = ""
    reported: str = ""
    returned_at: str = ""
    returns: int = 0


def parts(now: datetime) -> list[Draft]:
    """Notifications about parts that have been bad for a while, and those that came back. The key of the exchange has a kind of its own."""
    cursor, _ = Cursor.objects.get_or_create(name="parts", defaults={"at": now})
    known: dict[str, Health] = {name: Health(**kept) for name, kept in cursor.state.get("parts", {}).items()}
    found = status.check()
    health = {part.name: known.get(part.name, Health()) for part in found}
    drafts = [draft for part in found for draft in _judged(part, health[part.name], now)]
    state = {name: asdict(one) for name, one in health.items() if one != Health()}
    Cursor.objects.filter(name="parts").update(at=now, state={"parts": state})
    return drafts


def _judged(part: Part, health: Health, now: datetime) -> Iterator[Draft]:
    """What is to be said of one part now; ``health`` is brought up to date. Nothing of one of which nothing is known."""
    if not part.is_known:
        return
    if part.state == status.BAD or (part.name == "key" and part.state == status.WARN):
        yield from _bad(part, health, now)
    else:
        yield from _well(part, health, now)


def _bad(part: Part, health: Health, now: datetime) -> Iterator[Draft]:
    health.well_since = ""
    health.bad_since = health.bad_since or now.isoformat()
    if not _within(health.returned_at, AGAIN_WITHIN, now):
        health.returned_at, health.returns = "", 0
    patience = DOWN_AFTER * 2 ** min(health.returns, MOST_DOUBLINGS)
    if not health.reported and not _within(health.bad_since, patience, now):
        health.reported = health.bad_since
        kind = EventKind.KEY if part.name == "key" else EventKind.PART_DOWN
        again = " again" if health.returns else ""
        key = f"part:{part.name}:{health.bad_since}"
        yield Draft(kind, key, f"Down{again}: {part.name}", part.sentence, path="/admin/operate/")


def _well(part: Part, health: Health, now: datetime) -> Iterator[Draft]:
    if health.reported:
        key = f"part back:{part.name}:{health.reported}"
        yield Draft(EventKind.PART_BACK, key, f"Back: {part.name}", part.sentence)
        health.reported = health.bad_since = health.well_since = ""
        health.returned_at, health.returns = now.isoformat(), health.returns + 1
    elif health.bad_since:
        health.well_since = health.well_since or now.isoformat()
        if not _within(health.well_since, WELL_AFTER, now):
            health.bad_since = health.well_since = ""


def _within(since: str, span: timedelta, now: datetime) -> bool:
    return bool(since) and now - datetime.fromisoformat(since) < span
