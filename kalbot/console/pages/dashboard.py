"""The landing page: is it safe, is it working, is it making money, and if not, why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.cache import cache as kept
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.urls import reverse

from kalbot.common import clock
from kalbot.console.ops import heartbeats, status, tokens
from kalbot.console.pages import attention, first_run, obstacles, summary
from kalbot.console.ui import formats
from kalbot.console.ui.links import list_url
from kalbot.console.ui.plots import Plot
from markets.prices import PriceReader
from strategies.models import Mode, NearMiss, Profile, Verdict
from trading import selectors
from trading.closing import marks
from trading.denials import DenialCode
from trading.models import ACTIVE, Discrepancy, Lock, Position, PositionStatus
from trading.safety import halt
from trading.selectors import HeldLeg
from triage.models import Assessment

SHOWN = 12


def context(request: HttpRequest) -> dict[str, Any]:
    """Everything of the first paint; later each part refreshes by itself."""
    shown = [name for name in PARTS if may_see(request, name)]
    found: dict[str, Any] = {"now": clock.now(), "shown": shown}
    if request.user.has_perms(first_run.NEEDS) and first_run.is_new():
        found["shown"] = shown = [name for name in shown if name in ("glance", "system", "alerts")]
        found.update(first_run.context())
    elif may_see(request, "positions"):
        found["curves"] = curves()
    for name in shown:
        found.update(PARTS[name]())
    return found


def may_see(request: HttpRequest, part: str) -> bool:
    """Whether this person may see a part: the same permissions as the lists that it sums up."""
    return bool(request.user.has_perms(NEEDED[part]))


def glance() -> dict[str, Any]:
    """Four answers at the top: is it safe, is it working, is it making money, and if it does not trade, why."""
    return {"tiles": [safe(), working(), *earning(), why_not()]}


def tile(question: str, state: str, answer: str, detail: str, url: str) -> dict[str, str]:
    """One answer: ``state`` ok, warn or bad."""
    return {"question": question, "state": state, "answer": answer, "detail": detail, "url": url}


def safe() -> dict[str, str]:
    """Unexplained differences, naked legs, locks and the trading state. "Yes" is said only when none of them speaks against it."""
    differences = Discrepancy.objects.filter(resolved_at=None).count()
    locks = Lock.objects.filter(until__gt=clock.now()).count()
    naked = len(naked_positions())
    state = halt.row_of().state
    found = [
        f"{number} {words}{'s' * (number > 1)}"
        for number, words in ((differences, "unexplained difference"), (locks, "lock"))
        if number
    ]
    if naked:
        found.insert(1, f"naked legs in {naked} position{'s' * (naked > 1)}")
    if orphans := Position.objects.filter(residual_code=DenialCode.ORPHANS_HELD, status__in=ACTIVE).count():
        found.append(f"orphans of quotes held in {orphans} position{'s' * (orphans > 1)}")
    if state != "active":
        found.append(f"trading is {state}")
    bad = bool(differences or naked)
    answer = "No" if bad else "Limited" if found else "Yes"
    colour = "bad" if bad else "warn" if found else "ok"
    return tile("Is it safe?", colour, answer, " · ".join(found) or "books agree, no lock", reverse("admin:operate"))


def naked_positions() -> dict[int, tuple[HeldLeg, ...]]:
    """Positions that hold naked legs and are not being bought right now, by id; orphans of quotes, held inside their budget, are none."""
    buying = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.EXECUTING)
    held = Position.objects.filter(status__in=ACTIVE).exclude(status__in=buying)
    return selectors.naked_legs(held.exclude(residual_code=DenialCode.ORPHANS_HELD))


def working() -> dict[str, str]:
    """The worst of all parts, by name."""
    parts = [part for part in status.check() if part.name != "trading"]
    wrong = [part for part in parts if part.state != status.OK]
    if not wrong:
        return tile("Is it working?", "ok", "Yes", f"all {len(parts)} parts are fine", "#part-system")
    worst = status.worst(wrong)
    names = ", ".join(part.name for part in sorted(wrong, key=lambda part: part.state != status.BAD))
    return tile("Is it working?", worst, "No" if worst == status.BAD else "With a warning", names, "#part-system")


def earning() -> list[dict[str, str]]:
    """Today's profit, a tile for each mode that a profile runs in."""
    tiles = []
    for mode in (Mode.LIVE.value, Mode.SIM.value):
        if not Profile.objects.filter(mode=mode).exists():
            continue
        gained, ended = summary.today(mode), summary.ended_today(mode)
        held = Position.objects.filter(mode=mode, status__in=ACTIVE).count()
        tiles.append(
            tile(
                f"Earned today, {mode}",
                "bad" if gained < 0 else "ok",
                formats.gain(gained),
                f"{ended} ended since midnight {summary.day_zones(mode)}, {held} open",
                list_url("trading.position", mode__exact=mode),
            )
        )
    return tiles


def why_not() -> dict[str, str]:
    """What stops everything, if anything does; else how many events could be traded now, and the nearest miss."""
    stops = obstacles.read()
    first = next(obstacles.everything(stops), None)
    if first is not None:
        until = f", until {formats.moment(first.until)}" if first.until else ""
        return tile("Why not more?", "bad", first.title, f"{first.why}{until}; {first.who}", first.url)
    profiles = list(Profile.objects.filter(is_active=True))
    blocked = obstacles.by_profile(profiles, stops)
    tradable, watched = summary.candidate_events([profile.pk for profile in profiles])
    miss = NearMiss.objects.filter(ended_at=None, profile__in=profiles).order_by("distance_ppm").first()
    detail = f"{watched} watched, " + (
        f"nearest miss {formats.share(miss.distance_ppm)} away" if miss else "no near miss"
    )
    if blocked:
        detail = f"{len(blocked)} of {len(profiles)} profiles stopped: {next(iter(blocked.values())).title} · {detail}"
    answer = f"{tradable} tradable now"
    return tile("Why not more?", "warn" if blocked else "ok", answer, detail, reverse("admin:why"))


def modes() -> dict[str, Any]:
    """Sim and live side by side, never summed."""
    profiles = list(Profile.objects.order_by("name"))
    return {
        "modes": [one_mode(mode, [p for p in profiles if p.mode == mode]) for mode in (Mode.LIVE.value, Mode.SIM.value)]
    }


def one_mode(mode: str, profiles: list[Profile]) -> dict[str, Any]:
    """Totals of a mode from each profile's ledger, and what is used of its limits."""
    sums = dict.fromkeys(("cash", "open_cost", "realised", "difference"), 0)
    for profile in profiles:
        books = summary.ledger_summary(profile)
        sums = {name: total + books[name] for name, total in sums.items()}
    return {"mode": mode, "today": summary.today(mode), **sums, "profiles": [use(profile) for profile in profiles]}


def use(profile: Profile) -> dict[str, Any]:
    """A profile's bars: name, share and text."""
    bars = summary.capital_use(profile)
    show: dict[str, Callable[[int], str]] = {"capital": formats.money, "positions": str, "daily_loss": formats.money}
    names = {"capital": "capital", "positions": "positions", "daily_loss": "daily loss"}
    return {
        "profile": profile,
        "bars": [
            (names[key], {**bar, "text": f"{show[key](bar['used'])} of {show[key](bar['limit'])}"})
            for key, bar in bars.items()
        ],
    }


def _side_by_side(numbers: dict[str, float | None]) -> str:
    """Durations in a row that may break between two of them, never between a number and its unit."""
    return " / ".join(formats.milliseconds(value).replace(" ", "\u00a0") for value in numbers.values())


def system() -> dict[str, Any]:
    """The parts of the system with their sentences, and a few metrics."""
    stream = PriceReader().stream_status()
    depths = heartbeats.depths()
    latency = summary.latency()
    return {
        "parts": status.check(),
        "metrics": [
            ("Price messages", f"{stream.get('per_second', 0):,.0f}/s" if stream.get("alive") else formats.NOTHING),
            ("Feed gaps", str(stream.get("gaps", formats.NOTHING))),
            ("Price age", formats.milliseconds(price_age(stream))),
            ("Queue depth", str(sum(depths.values())) if depths is not None else formats.NOTHING),
            *((f"{what.capitalize()} p50 / p95 / p99", _side_by_side(numbers)) for what, numbers in latency.items()),
            *((f"Tokens left, {name}", f"{left:,.0f}") for name, left in tokens.left().items()),
        ],
    }


def price_age(stream: dict[str, Any]) -> float | None:
    """Milliseconds since the feed last proved that it lives."""
    alive = stream.get("alive_ms")
    return max(0, clock.now_ms() - int(alive)) if alive else None


def positions() -> dict[str, Any]:
    """Open positions, live first, with what selling them now would bring and what triage last advised."""
    latest = Assessment.objects.filter(position=OuterRef("pk")).order_by("-id")
    held = (
        Position.objects.filter(status__in=ACTIVE)
        .select_related("profile", "event__series")
        .annotate(
            advice=Subquery(latest.values("advice")[:1]),
        )
        .order_by("mode", "-id")
    )
    rows = list(held[: SHOWN + 1])
    now = clock.now()
    naked, worth = naked_positions(), marks.of(rows[:SHOWN])
    return {
        "positions": [
            {
                "position": p,
                "value": worth[p.pk].proceeds,
                "advice": p.advice,
                "age": formats.span(now - p.created_at),
                "grade": summary.grade_of_held(p),
                "naked": p.pk in naked,
            }
            for p in rows[:SHOWN]
        ],
        "more": held.count() - SHOWN if len(rows) > SHOWN else 0,
    }


def nearest() -> dict[str, Any]:
    """Candidates by profile, and the near misses that are closest."""
    profiles = list(Profile.objects.values_list("pk", flat=True))  # the index of near misses begins with the profile
    near = NearMiss.objects.filter(ended_at=None, profile_id__in=profiles)
    candidates = Verdict.objects.filter(
        status="candidate", profile_id__in=profiles, profile__is_active=True, event__is_open=True
    )
    active = Profile.objects.filter(is_active=True).values_list("pk", flat=True)
    tradable, watched = summary.candidate_events(active)
    return {
        "tradable": tradable,
        "watched": watched,
        "candidates": list(
            candidates.order_by("profile__name").values("profile_id", "profile__name").annotate(n=Count("pk"))
        ),
        "nearest": list(near.select_related("profile", "event").order_by("distance_ppm")[:8]),
    }


def curves() -> dict[str, dict[str, str]]:
    """A plot of realised profit for each mode. Kept half a minute: thousands of rows go into it."""
    names = (Mode.LIVE.value, Mode.SIM.value)
    return {mode: kept.get_or_set(f"curve:{mode}", lambda mode=mode: curve(mode), 30) or {} for mode in names}


def curve(mode: str) -> dict[str, str]:
    """Realised profit of one mode over time, up to now."""
    plot = Plot("dollars", legend=False)
    points = [(at, value / 1e6) for at, value in summary.realised_curve(mode)]
    plot.line(
        "realised, dollars", [*points, (plot.now, points[-1][1])] if points else [], colour="var(--color-primary-600)"
    )
    return plot.context("curve")


PARTS = {
    "glance": glance,
    "modes": modes,
    "system": system,
    "positions": positions,
    "nearest": nearest,
    "alerts": attention.alerts,
}
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "glance": ("trading.view_position", "trading.view_discrepancy", "trading.view_lock", "strategies.view_verdict"),
    "modes": ("trading.view_position", "trading.view_ledgertransaction", "strategies.view_profile"),
    "system": ("markets.view_scan", "trading.view_tradingstate"),
    "positions": ("trading.view_position", "triage.view_assessment"),
    "nearest": ("strategies.view_nearmiss", "strategies.view_verdict"),
    "alerts": (
        "console.view_logrecord",
        "console.view_taskrecord",
        "trading.view_discrepancy",
        "triage.view_recommendation",
    ),
}
