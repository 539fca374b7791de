"""The landing page: is it safe, is it working, is it making money, and if not, why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.cache import cache as kept
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest
from django.urls import reverse

from kalbot.common import clock
from kalbot.console.ops.health import heartbeats, status, tokens
from kalbot.console.pages.home import attention, first_run, obstacles, summary
from kalbot.console.pages.home.reading import Reading
from kalbot.console.ui import formats, verdicts, waits
from kalbot.console.ui.held import floors_of_held, grade_of_held
from kalbot.console.ui.links import list_url
from kalbot.console.ui.plots import Plot
from markets.prices import PriceReader
from strategies.models import Mode, Profile, Verdict
from trading.closing import marks
from trading.denials import DenialCode
from trading.limits import every_basket
from trading.models import ACTIVE, Discrepancy, Position
from trading.waiting import of_all
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
    reading = Reading(obstacles.of_request(request))
    for name in shown:
        found.update(PARTS[name](reading))
    return found


def may_see(request: HttpRequest, part: str) -> bool:
    """Whether this person may see a part: the same permissions as the lists that it sums up."""
    return bool(request.user.has_perms(NEEDED[part]))


def glance(reading: Reading) -> dict[str, Any]:
    """Four answers at the top: is it safe, is it working, is it making money, and if it does not trade, why."""
    return {"tiles": [safe(reading), working(reading), *earning(reading), why_not(reading)]}


def tile(question: str, state: str, answer: str, detail: str, url: str) -> dict[str, str]:
    """One answer: ``state`` ok, warn, bad, or none for what is neither."""
    return {"question": question, "state": state, "answer": answer, "detail": detail, "url": url}


def safe(reading: Reading) -> dict[str, str]:
    """What may be losing money unseen, worst first; then what stops new baskets, for then positions are watched less, or exits
    held. "Yes" is said only when none of them speaks against it."""
    bad = [
        f"{number} {words}{'s' * (number > 1)}"
        for words, number in (
            ("unexplained difference", Discrepancy.objects.filter(resolved_at=None).count()),
            ("order whose outcome is unknown", every_basket.unknown_orders().count()),
            (
                "ledger that does not tie with its positions",
                sum(1 for one in reading.books.values() if one["difference"]),
            ),
        )
        if number
    ]
    if naked := len(reading.naked):
        bad.append(f"naked legs in {naked} position{'s' * (naked > 1)}")
    found = [one.title for one in obstacles.everything(reading.stops)]
    own = {one.profile_id for one in reading.stops.locks} | set(reading.stops.states)
    held_up = len(own - {None})
    found += [f"{held_up} profile{'s are' if held_up > 1 else ' is'} locked or halted"] if held_up else []
    if orphans := Position.objects.filter(residual_code=DenialCode.ORPHANS_HELD, status__in=ACTIVE).count():
        found.append(f"orphans of quotes held in {orphans} position{'s' * (orphans > 1)}")
    answer, colour = ("No", "bad") if bad else ("Limited", "warn") if found else ("Yes", "ok")
    detail = " · ".join([*bad, *found]) or "no difference, no lock"
    return tile("Is it safe?", colour, answer, detail, reverse("admin:operate"))


def working(reading: Reading) -> dict[str, str]:
    """The worst of all parts, by name."""
    parts = [part for part in reading.parts if part.name != "trading"]
    wrong = [part for part in parts if part.state != status.OK]
    if not wrong:
        unknown = [part.name for part in parts if not part.is_measured]
        fine = f"{len(parts) - len(unknown)} parts are fine"
        detail = f"{fine}; not in use or not measured: {', '.join(unknown)}" if unknown else f"all {fine}"
        return tile("Is it working?", "ok", "Yes", detail, "#part-system")
    worst = status.worst(wrong)
    names = ", ".join(part.name for part in sorted(wrong, key=lambda part: part.state != status.BAD))
    return tile("Is it working?", worst, "No" if worst == status.BAD else "With a warning", names, "#part-system")


def earning(reading: Reading) -> list[dict[str, str]]:
    """Today's profit, a tile for each mode that a profile runs in."""
    tiles = []
    for mode in (Mode.LIVE.value, Mode.SIM.value):
        profiles = reading.of_mode(mode)
        if not profiles:
            continue
        gained = sum(reading.realised_today[profile.pk] for profile in profiles)
        ended = sum(reading.ended_today.get(profile.pk, 0) for profile in profiles)
        held = sum(reading.at_work[profile.pk].number for profile in profiles if profile.pk in reading.at_work)
        tiles.append(
            tile(
                f"Earned today, {mode}",
                "bad" if gained < 0 else "ok" if gained else "none",
                formats.gain(gained),
                f"{ended} ended since midnight {summary.day_zones(profiles)}, {held} open",
                list_url("trading.position", mode__exact=mode),
            )
        )
    return tiles


def why_not(reading: Reading) -> dict[str, str]:
    """What stops everything, or every profile, if anything does; else how many events could be traded now, and the nearest miss."""
    stops = reading.stops
    profiles = reading.active
    blocked = obstacles.by_profile(profiles, stops)
    first = next(obstacles.everything(stops), None)
    if first is None and len(blocked) == len(profiles):
        first = next(iter(blocked.values()), None)
    if first is not None:
        until = f", until {formats.moment(first.until)}" if first.until else ""
        return tile("Why not more?", "bad", first.title, f"{first.why}{until}; {first.who}", first.url)
    tradable, watched = reading.candidates
    miss = verdicts.measured().filter(profile__in=profiles).order_by("distance_ppm").first()
    detail = f"{watched} watched, " + (
        f"nearest miss {formats.share(miss.distance_ppm)} away" if miss else "no near miss"
    )
    if blocked:
        detail = f"{len(blocked)} of {len(profiles)} profiles stopped: {next(iter(blocked.values())).title} · {detail}"
    answer = f"{tradable} tradable now"
    return tile("Why not more?", "warn" if blocked else "ok", answer, detail, reverse("admin:why"))


def modes(reading: Reading) -> dict[str, Any]:
    """Sim and live side by side, never summed."""
    return {"modes": [one_mode(mode, reading) for mode in (Mode.LIVE.value, Mode.SIM.value)]}


def one_mode(mode: str, reading: Reading) -> dict[str, Any]:
    """Totals of a mode from each profile's ledger, and what is used of its limits."""
    profiles = reading.of_mode(mode)
    sums = {
        name: sum(reading.books[profile.pk][name] for profile in profiles)
        for name in ("cash", "open_cost", "realised", "difference")
    }
    today = sum(reading.realised_today[profile.pk] for profile in profiles)
    return {"mode": mode, "today": today, **sums, "profiles": [use(profile, reading) for profile in profiles]}


def use(profile: Profile, reading: Reading) -> dict[str, Any]:
    """A profile's bars: name, share and text."""
    open_now = reading.at_work.get(profile.pk, summary.AtWork())
    bars = summary.capital_use(profile, open_now, reading.realised_today[profile.pk])
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


def system(reading: Reading) -> dict[str, Any]:
    """The parts of the system with their sentences, and a few metrics."""
    stream = PriceReader().stream_status()
    depths = heartbeats.depths()
    latency = summary.latency()
    return {
        "parts": reading.parts,
        "metrics": [
            ("Price messages", f"{stream.get('per_second', 0):,.0f}/s" if stream.get("alive") else formats.NOTHING),
            ("Feed gaps", str(stream.get("gaps", formats.NOTHING))),
            ("Price age", formats.milliseconds(price_age(stream))),
            ("Queue depth", str(sum(depths.values())) if depths is not None else formats.NOTHING),
            *(
                (f"{what.capitalize()}: median / 95 % / 99 %", _side_by_side(numbers))
                for what, numbers in latency.items()
            ),
            *((f"Tokens left, {name}", f"{left:,.0f}") for name, left in tokens.left().items()),
        ],
    }


def price_age(stream: dict[str, Any]) -> float | None:
    """Milliseconds since the feed last proved that it lives."""
    alive = stream.get("alive_ms")
    return max(0, clock.now_ms() - int(alive)) if alive else None


def positions(reading: Reading) -> dict[str, Any]:
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
    naked, worth, waiting = reading.naked, marks.of(rows[:SHOWN]), of_all(rows[:SHOWN])
    floors = floors_of_held(rows[:SHOWN])
    return {
        "positions": [
            {
                "position": p,
                "value": worth[p.pk].proceeds,
                "advice": p.advice,
                "age": formats.span(now - p.created_at),
                "grade": grade_of_held(p),
                "floor": floors[p.pk],
                "waits": waits.unusual(waiting.get(p.pk)),
                "naked": p.pk in naked,
            }
            for p in rows[:SHOWN]
        ],
        "more": sum(one.number for one in reading.at_work.values()) - SHOWN if len(rows) > SHOWN else 0,
    }


def nearest(reading: Reading) -> dict[str, Any]:
    """Candidates by profile, and the near misses that are closest."""
    profiles = [profile.pk for profile in reading.active]  # the index of near misses begins with the profile
    near = verdicts.measured().filter(profile_id__in=profiles)
    candidates = Verdict.objects.filter(status="candidate", profile_id__in=profiles, event__is_open=True)
    tradable, watched = reading.candidates
    return {
        "tradable": tradable,
        "watched": watched,
        "candidates": list(
            candidates.order_by("profile__name").values("profile_id", "profile__name").annotate(n=Count("pk"))
        ),
        "nearest": verdicts.by_event(near.select_related("profile", "event").order_by("distance_ppm", "pk")[:64])[:8],
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


PARTS: Final[dict[str, Callable[[Reading], dict[str, Any]]]] = {
    "glance": glance,
    "modes": modes,
    "system": system,
    "positions": positions,
    "nearest": nearest,
    "alerts": lambda _: attention.alerts(),
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
