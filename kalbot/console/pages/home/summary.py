"""Trading statistics: how fast, how much, how it went. Selectors only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.core.cache import cache as kept
from django.db.models import Count, OuterRef, Subquery, Sum

from kalbot.common import clock
from kalbot.console.ops.health import stage_times
from kalbot.console.ui import verdicts
from kalbot.console.ui.plots import fewer
from strategies.models import Cycle, Profile, Verdict
from trading.accounting import balance_check, results
from trading.limits import day, facts
from trading.models import ACTIVE, LedgerTransaction, Position

LAST = 1_000
Found = TypeVar("Found")


def latency() -> dict[str, dict[str, float | None]]:
    """{"cycle": {p50, p95, p99}, "decision to first order": {...}} in milliseconds: of the last thousand cycles, and of the baskets of
    ``stage_times``."""
    cycles = sorted(Cycle.objects.order_by("-id").values_list("duration_ms", flat=True)[:LAST])
    return {"cycle": quantiles(cycles), "decision to first order": quantiles(stage_times.first_order())}


def quantiles(ordered: list[Any]) -> dict[str, float | None]:
    """p50, p95 and p99 of an ordered list (nearest rank); None when it is empty."""

    def rank(share: float) -> float | None:
        return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else None

    return {"p50": rank(0.50), "p95": rank(0.95), "p99": rank(0.99)}


def ended_today(profiles: Iterable[Profile]) -> dict[int, int]:
    """Baskets that ended since midnight of each profile's own zone, by profile id, as results count them; those with none are absent. A
    query a midnight."""
    found: dict[int, int] = {}
    for since, owners in day.by_midnight(profiles).items():
        over = results.ended_of(owners, since, clock.now()).order_by()
        found.update(over.values_list("profile").annotate(number=Count("pk")))
    return found


def day_zones(profiles: Iterable[Profile]) -> str:
    """The zones whose midnight begins the day of ``profiles``, for people to read."""
    return ", ".join(sorted({profile.day_zone.replace("_", " ") for profile in profiles}))


@dataclass(frozen=True, slots=True)
class AtWork:
    """What is open of one profile: positions, and micro-dollars of their cost and of what is reserved for them."""

    number: int = 0
    cost: int = 0
    reserved: int = 0


def at_work() -> dict[int, AtWork]:
    """Open positions of every profile that has some, by profile id."""
    rows = Position.objects.filter(status__in=ACTIVE).order_by().values("profile")
    summed = rows.annotate(number=Count("pk"), paid=Sum("cost"), kept=Sum("reserved"))
    return {row["profile"]: AtWork(row["number"], row["paid"], row["kept"]) for row in summed}


def capital_use(profile: Profile, open_now: AtWork, realised_today: int) -> dict[str, Any]:
    """What of a profile's limits is used: capital, open positions, daily loss; each (used, limit, share in per cent)."""
    return {
        "capital": bar(open_now.cost + open_now.reserved, profile.working),
        "positions": bar(open_now.number, profile.max_open_positions),
        "daily_loss": bar(max(0, -realised_today), profile.max_daily_loss),
    }


def bar(used: int, limit: int) -> dict[str, int]:
    """A bar of ``used`` against ``limit``; a limit of zero is full."""
    share = 100 if limit <= 0 else min(100, round(100 * used / limit))
    return {"used": used, "limit": limit, "share": share}


def realised_curve(mode: str, days: int = 30, points: int = 200) -> list[tuple[datetime, int]]:
    """Cumulated realised profit of ``mode`` over time, basket by basket: (moment, micro-dollars), at most ``points`` of them."""
    booked = facts.results(clock.now() - timedelta(days=days)).filter(mode=mode, result__isnull=False)
    total = 0
    curve: list[tuple[datetime, int]] = []
    rows = booked.order_by("at", "id")
    for moment, made in results.whole_baskets(rows.values_list("at", "result", "position")):
        if not curve:
            curve.append((moment, 0))
        total += made
        curve.append((moment, total))
    return fewer(curve, points)


def until_booked(profile: Profile, name: str, make: Callable[[], Found]) -> Found:
    """What ``make`` finds for ``profile``, kept until its next booking, and for a minute at most. For what adds up whole ledgers."""
    last = LedgerTransaction.objects.filter(profile=profile).order_by("-id").values_list("pk", flat=True).first()
    return _kept(profile, name, last, make)


def _kept(profile: Profile, name: str, last: int | None, make: Callable[[], Found]) -> Found:
    key = f"{name}:{profile.pk}:{last}:{profile.capital}"
    found: Found | None = kept.get(key)
    if found is None:
        found = make()
        kept.set(key, found, 60)
    return found


def ledger_summaries() -> dict[int, dict[str, int]]:
    """{starting, cash, open_cost, realised, difference} in micro-dollars of each profile, by its id. It compares with the positions'
    rows, which might change without a booking."""
    latest = LedgerTransaction.objects.filter(profile=OuterRef("pk")).order_by("-id").values("pk")[:1]
    profiles = Profile.objects.annotate(last_booking=Subquery(latest))
    return {one.pk: _kept(one, "ledger", one.last_booking, partial(balance_check.summary, one)) for one in profiles}


def candidate_events(profiles: Iterable[int]) -> tuple[int, int]:
    """(events tradable now, events watched besides) for any of ``profiles``; an event that two of them want counts once."""
    rows = Verdict.objects.filter(profile__in=list(profiles), status="candidate", event__is_open=True).order_by()
    tradable = set(rows.filter(verdicts.tradable()).values_list("event", flat=True))
    watched = set(rows.values_list("event", flat=True)) - tradable
    return len(tradable), len(watched)
