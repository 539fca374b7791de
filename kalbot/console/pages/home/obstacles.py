"""What stops new baskets now, for everything or for one profile, in the order in which trading meets it.

One reading for the banner, the dashboard, *Why not?* and the list of profiles: a screen that is green while every decision is denied
would be wrong. Each obstacle says why, until when, and who may lift it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import redis
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from kalbot.common import clock, messages
from kalbot.console.ops.health import exchange_status, heartbeats, schedule_status
from kalbot.console.ui.links import list_url, page_url
from markets import exchange_hours
from markets.prices import PriceReader
from strategies.models import Mode, Profile
from strategies.profiles.blackout import in_blackout
from trading.denials import DenialCode, Refusal
from trading.limits import day, every_basket
from trading.models import Lock, TradingState
from trading.safety import halt, lock_causes

NEEDED: Final = (messages.SCAN_CATALOGUE, messages.RUN_CYCLE, messages.SWEEP)
"""Tasks without which nothing is bought."""
HOURS: Final = {
    exchange_hours.Closed.PAUSED: "The exchange takes no orders",
    exchange_hours.Closed.PAUSE_SOON: "The exchange pauses soon",
    exchange_hours.Closed.UNKNOWN: "When the exchange pauses is not known",
}
MEASURED_FOR_MS: Final = 5 * 60_000
"""An older measurement of the clock is not about now."""
WORKING: Final = (heartbeats.BEAT, "scan", "strategy", "execution")
"""Beat and the queues without which nothing is bought."""


@dataclass(frozen=True)
class Obstacle:
    """One thing that stops new baskets. ``profile`` is empty when it stops everything; ``until`` is None while nobody knows."""

    code: str
    title: str
    why: str
    who: str
    url: str
    until: datetime | None = None
    profile: str = ""


WHO_RUNS: Final = "whoever runs the installation may start it"
RISK_MANAGER: Final = "a risk manager may lift it"
BY_ITSELF: Final = "it ends by itself"
WITH_ITS_CAUSE: Final = f"it ends with its cause, by its time at the latest; {RISK_MANAGER}"

ENDS: Final = {
    DenialCode.NOT_RECONCILED: "it ends with the next comparison that ends well",
    DenialCode.ORDER_UNKNOWN: "it ends when the exchange has said what became of it",
    DenialCode.DISCREPANCY: "whoever may resolve differences ends it",
    DenialCode.HOURS_UNKNOWN: "it ends when the exchange answers",
    DenialCode.CLOCK_SKEW: "whoever runs the installation sets the clock right",
    DenialCode.CAPITAL: "it ends when a position ends or is sold; a risk manager may give it more capital",
    DenialCode.SHARD_CASH: "it ends when a position ends, or cash is moved there at the exchange",
    DenialCode.MAX_OPEN_POSITIONS: f"it ends when a position ends; {RISK_MANAGER}",
    DenialCode.DAILY_LOSS: "it ends at midnight of the profile's zone",
    DenialCode.DRAWDOWN: "a risk manager may set another limit",
}
"""How each of what denies every basket ends."""


@dataclass(frozen=True)
class Stops:
    """Read once: trading states by profile id (None: global), only those that are not active; locks in force; the active profiles by
    name, and by their ids what denies them every basket."""

    states: dict[int | None, TradingState]
    locks: list[Lock]
    active: list[Profile]
    refusals: dict[int, list[Refusal]]

    def lock_of(self, profile_id: int | None) -> Lock | None:
        """The lock of a profile (None: of all) that lasts longest."""
        return next((one for one in self.locks if one.profile_id == profile_id), None)


def read() -> Stops:
    """A handful of queries. A global state that is absent is halted, as everywhere."""
    rows = {row.profile_id: row for row in TradingState.objects.select_related("profile")}
    rows.setdefault(None, halt.ABSENT)
    locks = Lock.objects.filter(until__gt=clock.now()).select_related("profile").order_by("-until")
    states = {pk: row for pk, row in rows.items() if row.state != TradingState.State.ACTIVE}
    active = every_basket.active_profiles()
    return Stops(states, list(locks), active, every_basket.refusals(active))


def of_request(request: HttpRequest) -> Stops:
    """The reading of one request, taken once: the banner and the page below it say the same."""
    kept = vars(request)
    if "obstacles" not in kept:
        kept["obstacles"] = read()
    stops: Stops = kept["obstacles"]
    return stops


def found(profile: Profile | None = None, stops: Stops | None = None) -> list[Obstacle]:
    """What stops ``profile`` (None: every profile) now, worst first. A handful of queries."""
    stops = stops or read()
    return [*everything(stops), *(of_profile(profile, stops) if profile else ())]


def all_found(stops: Stops) -> list[Obstacle]:
    """What stops everything, then what stops single active profiles, by their names."""
    return [*everything(stops), *(one for profile in stops.active for one in of_profile(profile, stops))]


def possible_again(profile: Profile | None, lifted: Obstacle) -> str:
    """What lifting ``lifted`` makes possible for ``profile`` (None: all), and what else stops it: a sentence before it is confirmed."""
    stops, who = read(), profile.name if profile else "all profiles"
    others = [one.title for one in found(profile, stops) if one != lifted]
    own = [] if profile else [one.title for one in by_profile(stops.active, stops).values()]
    if others:
        return f"New baskets stay impossible for {who} all the same: {'; '.join(others)}."
    rest = f" Stopped on their own stay: {'; '.join(own)}." if own else ""
    return f"New baskets become possible again at once for {who}.{rest}"


def still_stopped(profile: Profile | None) -> str:
    """What stops ``profile`` (None: all) after something was lifted, for the answer to whoever lifted it; empty when nothing does."""
    others = [one.title for one in found(profile)]
    return (
        f"New baskets stay impossible for {profile or 'all profiles'} all the same: {'; '.join(others)}."
        if others
        else ""
    )


def by_profile(profiles: list[Profile], stops: Stops) -> dict[int, Obstacle]:
    """The first obstacle of each profile that has one of its own, by profile id; what stops everything is not repeated here."""
    first = ((profile.pk, next(iter(of_profile(profile, stops)), None)) for profile in profiles)
    return {pk: one for pk, one in first if one is not None}


def everything(stops: Stops) -> Iterator[Obstacle]:
    """What stops every profile."""
    if None in stops.states:
        yield stopped(stops.states[None])
    lock = stops.lock_of(None)
    if lock is not None:
        yield locked(lock)
    if not stops.active:
        url, why = list_url("strategies.profile"), "only an active profile buys"
        yield Obstacle("no_profile", "No profile is switched on", why, RISK_MANAGER, url)
    stream = PriceReader().stream_status()
    if not stream.get("alive"):
        why = str(stream.get("error") or "no living connection to the exchange")
        yield Obstacle("feed", "No prices", why, "it ends when the feed is back", reverse("admin:operate"))
    yield from silent()
    yield from paused()
    for one in schedule_status.wrong():
        if one.task in NEEDED:
            url = page_url("django_celery_beat.periodictask", one.pk) if one.pk else reverse("admin:operate")
            who = RISK_MANAGER if one.pk else "whoever runs the installation may do that"
            yield Obstacle("schedule", f"Schedule “{one.name}” is {one.problem}", one.sentence, who, url)


def silent() -> Iterator[Obstacle]:
    """Beat, or the worker of a queue without which nothing is bought, shows no life. A Redis that is away is named by the prices."""
    try:
        late = heartbeats.silent(WORKING)
    except redis.RedisError:
        return
    if late:
        title = f"No sign of life of {', '.join(late)}"
        yield Obstacle("workers", title, "nothing is bought without them", WHO_RUNS, reverse("admin:operate"))


def paused() -> Iterator[Obstacle]:
    """The exchange takes no orders, pauses soon, or its hours cannot be understood: what admission itself goes by, on every shard."""
    known = exchange_hours.last()
    status = None if known is None else known.status
    shards = [0] if status is None else [one.exchange_index for one in status.indexes] or [0]
    shut = [exchange_hours.obstacle(shard, is_live=False) for shard in shards]
    first = shut[0]
    if known is None or first is None or None in shut:
        return
    now = clock.now()
    until = None if status is None else status.estimated_resume
    if until is None and known.schedule is not None:
        soon = now + timedelta(seconds=settings.KALBOT_PAUSE_MARGIN_SECONDS)
        until = max(
            (one.end for one in known.schedule.maintenance if one.start <= soon and one.end > now), default=None
        )
    yield Obstacle("exchange", HOURS[first.why], first.detail, BY_ITSELF, reverse("admin:operate"), until)


def _clock(profile: Profile) -> Iterator[Obstacle]:
    """A clock that live orders are refused with, as the last answer of the exchange showed it."""
    found = exchange_status.last()
    if profile.mode != Mode.LIVE or found is None or found.skew_ms is None:
        return
    most, is_fresh = settings.KALBOT_MAX_CLOCK_SKEW_MS, clock.now_ms() - found.checked_ms <= MEASURED_FOR_MS
    if is_fresh and abs(found.skew_ms) > most:
        words = f"{abs(found.skew_ms)} ms {'ahead' if found.skew_ms > 0 else 'behind'}, {most} ms allowed"
        yield refused(profile, Refusal(DenialCode.CLOCK_SKEW, words))


def of_profile(profile: Profile, stops: Stops) -> Iterator[Obstacle]:
    """What stops this profile alone."""
    name, page = profile.name, page_url("strategies.profile", profile.pk)
    if not profile.is_active:
        yield Obstacle("inactive", f"{name} is switched off", "its own setting", RISK_MANAGER, page, profile=name)
        return
    if profile.pk in stops.states:
        yield stopped(stops.states[profile.pk])
    lock = stops.lock_of(profile.pk)
    if lock is not None:
        yield locked(lock)
    if profile.mode == Mode.LIVE and not settings.KALBOT_LIVE:
        who = "whoever runs the installation may set it"
        title = f"{name} trades live, but the environment forbids live orders"
        yield Obstacle("live_off", title, "KALBOT_LIVE is not set", who, page, profile=name)
    if in_blackout(profile.blackout, clock.now()):
        yield Obstacle(
            "blackout", f"{name} is in a blackout", "a time of day of its own", BY_ITSELF, page, profile=name
        )
    yield from _clock(profile)
    for refusal in stops.refusals.get(profile.pk, ()):
        yield refused(profile, refusal)


def refused(profile: Profile, refusal: Refusal) -> Obstacle:
    """What denies each basket of a profile as an obstacle; where a person can do something, its address."""
    ends = ENDS.get(refusal.code, RISK_MANAGER)
    address = {
        DenialCode.DISCREPANCY: list_url("trading.discrepancy"),
        DenialCode.ORDER_UNKNOWN: list_url("trading.order", profile__id__exact=profile.pk),
        DenialCode.MAX_OPEN_POSITIONS: reverse("admin:open_positions"),
        DenialCode.CAPITAL: reverse("admin:open_positions"),
        DenialCode.SHARD_CASH: list_url("trading.exchangeaccount"),
        DenialCode.CLOCK_SKEW: reverse("admin:operate"),
        DenialCode.NOT_RECONCILED: list_url("trading.reconciliation"),
    }.get(refusal.code, page_url("strategies.profile", profile.pk))
    tomorrow = day.midnight(profile) + timedelta(days=1)
    until = tomorrow if refusal.code == DenialCode.DAILY_LOSS and tomorrow > clock.now() else None
    title = f"{profile.name} buys nothing new: {refusal.code.sentence.rstrip('.')}"
    return Obstacle(refusal.code, title, refusal.detail, ends, address, until, profile.name)


def stopped(row: TradingState) -> Obstacle:
    """A halt or reduction as an obstacle."""
    halted = row.state == TradingState.State.HALTED
    name = row.profile.name if row.profile else ""
    title = f"{name or 'Trading'} is {'halted: only cancels are sent' if halted else 'reducing: no new baskets'}"
    why = f"{row.reason or 'no reason is stored'} (by {row.actor})"
    return Obstacle(str(row.state), title, why, RISK_MANAGER, reverse("admin:operate"), profile=name)


def locked(lock: Lock) -> Obstacle:
    """A lock as an obstacle."""
    name = lock.profile.name if lock.profile else ""
    cause = str(lock.get_code_display())
    said = lock.reason.lower().startswith(cause.lower())
    return Obstacle(
        "locked",
        f"{name or 'Every profile'} is locked{'' if said else f': {cause}'}",
        lock.reason if lock.actor == Lock.MACHINE else f"{lock.reason} (by {lock.actor})",
        WITH_ITS_CAUSE if lock.actor == Lock.MACHINE and lock.code in lock_causes.ENDED else RISK_MANAGER,
        list_url("trading.lock"),
        lock.until,
        name,
    )
