"""Realistic rows: weather and game events, verdicts, near misses, positions at every stage, ledger and log.

Numbers add up as the real ones do (cost = prices x counts + fees, ledger entries sum to zero), so that pages which compare them show
no difference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from sample_markets import CITIES, DAY, publish, scan, walk, weather_event
from sample_positions import decision, position
from sample_triage import assess, trouble

from kalbot.common import clock
from kalbot.console.ops.health import exchange_status
from markets.catalogue import families
from markets.models import Certificate, Event, RefusedFamily, Scan
from strategies.models import DOLLAR, Cycle, NearMiss, Profile, Screening, Verdict
from strategies.profiles import seeds
from tests.snapshot import Snapshot
from trading.models import (
    Denial,
    Discrepancy,
    Position,
    TradingState,
)


def person(name: str, role: str = "", password: str = "let-me-in-please", **values: Any) -> User:
    """A member of staff, in the group of ``role`` (viewer, operator, risk manager) or a superuser without one."""
    user = User.objects.create_user(name, password=password, is_staff=True, is_superuser=not role, **values)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def near_miss(
    profile: Profile, event: Event, distance_ppm: int = 6_200, constraint: str = "margin", **values: Any
) -> NearMiss:
    """An open episode with its verdict."""
    shown = {
        "value": "-0.52 %",
        "limit": "0.1 %",
        "flip": f"the three NO legs together ${distance_ppm / 1e6 * 2:.4f} cheaper",
    }
    Verdict.objects.update_or_create(
        profile=profile,
        event=event,
        defaults={
            "status": "near_miss",
            "constraint": constraint,
            "distance_ppm": distance_ppm,
            "kind": "all_no",
            "since": clock.now() - timedelta(minutes=12),
            **shown,
        },
    )
    return NearMiss.objects.create(
        profile=profile,
        event=event,
        kind="all_no",
        constraint=constraint,
        distance_ppm=distance_ppm,
        best_distance_ppm=distance_ppm // 2,
        evaluations=37,
        started_at=clock.now() - timedelta(minutes=12),
        last_seen_at=clock.now(),
        **{**shown, **values},
    )


def verdict(
    profile: Profile, event: Event, status: str = "rejected", constraint: str = "volume", **values: Any
) -> Verdict:
    """A verdict that holds now."""
    return Verdict.objects.create(
        profile=profile,
        event=event,
        status=status,
        constraint=constraint,
        since=clock.now() - timedelta(hours=1),
        **{"value": "120 contracts", "limit": "1,000 contracts", **values},
    )


def sample() -> dict[str, Any]:
    """Rows of every kind, and prices in Redis. Returns what tests want to find again."""
    # a migration wrote it, and a test whose tables were emptied before has none: no part of what is put back
    TradingState.objects.update_or_create(
        scope="global", defaults={"state": "active", "reason": "new installation", "actor": "seed"}
    )
    ROWS.rows()
    profiles = {profile.name: profile for profile in Profile.objects.filter(name__in=("careful", "coverage", "live"))}
    by_ticker = Event.objects.in_bulk([f"KXHIGH{city}-{DAY}" for city in CITIES])
    events = [by_ticker[f"KXHIGH{city}-{DAY}"] for city in CITIES]
    for event in events:
        publish(event)
    walk(events[0])
    exchange_status.keep(exchange_status.Outside(clock.now_ms(), skew_ms=38))
    going = {
        held.event_id: held
        for held in Position.objects.select_related("profile", "event", "decision").filter(event__in=events)
    }
    return {
        **profiles,
        "events": events,
        "held": going[events[0].ticker],
        "paper": going[events[1].ticker],
        "leaving": going[events[2].ticker],
        "scan": Scan.objects.latest("pk"),
    }


def rows(*, history: int = 6) -> None:
    """The rows of ``sample``, one by one."""
    seeds.seed()
    careful, coverage = (Profile.objects.get(name=name) for name in ("careful", "coverage"))
    live = Profile.objects.create(
        name="live", mode="live", capital=10_000 * DOLLAR, description="Orders.", **seeds.GUARANTEED_ONLY
    )
    last = scan()
    events = [weather_event(city) for city in CITIES]
    Certificate.objects.create(
        event=events[0],
        status="granted",
        kind="tiling",
        rules_hash=events[0].rules_hash,
        evidence=["78° or below", "79° to 86°", "87° or above: the ranges tile the line"],
    )
    for number in range(history):
        past = weather_event("NY", f"26NOV{10 + number}", hours=-24 * (history - number))
        Event.objects.filter(pk=past.pk).update(is_open=False)
        hours = 24 * (history - number)
        position(live if number % 2 else careful, past, "settled", hours_ago=hours, ended=hours - 20)
    held = position(live, events[0])
    position(careful, events[1], hours_ago=0.2)
    position(careful, events[2], "exiting", hours_ago=5)
    for profile in (careful, coverage, live):
        for place, event in enumerate(events):
            if place < 2:
                near_miss(profile, event, 4_100 + 2_900 * place + 137 * profile.pk)
            elif place == 2:
                verdict(
                    profile,
                    event,
                    "candidate",
                    "",
                    value="",
                    limit="",
                    live_at=clock.now(),
                    live_constraint="margin",
                    live_value="-0.31 %",
                )
            else:
                verdict(profile, event, constraint=["volume", "certificate", "closes_late"][place - 3])
        Screening.objects.create(
            scan=last,
            profile=profile,
            universe=6,
            candidates=1,
            near_misses=2,
            rejected=3,
            duration_ms=210,
            counts={"margin": 2, "volume": 1, "certificate": 1, "closes_late": 1},
        )
    for number in range(30):
        Cycle.objects.create(
            started_at=clock.now() - timedelta(seconds=3 * number),
            duration_ms=8 + number % 5,
            read_ms=2,
            candidates=3,
            evaluated=3,
            decisions=int(number == 4),
            refused={"margin": 3},
        )
    denied = decision(coverage, events[3])
    Denial.objects.create(decision=denied, code="capital", detail="$197.00 are not free")
    assess(held, events[0])
    trouble()


ROWS = Snapshot(rows)


def family() -> Event:
    """A family of two coin events with its certificate, and the series of another that is refused."""
    from tests.strategies.families import coins

    coins.add_coins()
    families.refresh()
    RefusedFamily.objects.create(
        series_tickers="KXINX + KXINXU",
        code="common_determination",
        sentence="The registered terms have no clause by which one value settles all markets.",
        example="KXINX-1 + KXINXU-1",
        since=clock.now(),
    )
    return Event.objects.get(pk=coins.FAMILY)


def fill_checklist(settings: Any) -> None:
    """Everything on the checklist for going live holds. ``settings``: those of the test."""
    Discrepancy.objects.update(resolved_at="2026-01-01T00:00Z")
    settings.KALBOT_LIVE, settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_PATH = True, "key-id", "/nowhere/key.pem"
    exchange_status.keep(exchange_status.Outside(clock.now_ms(), skew_ms=38, key_listed=True, cash=900_000_000))
