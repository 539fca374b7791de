"""Rows as the API says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from ninja.errors import HttpError

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import format_decimal
from kalbot.console.api import shapes
from kalbot.console.exports import equity as equity_table
from kalbot.console.exports import results as table
from kalbot.console.ops import equity
from kalbot.console.ops.health import status
from kalbot.console.pages.home import obstacles
from kalbot.console.pages.home.obstacles import Obstacle
from kalbot.console.pages.positions import explained
from kalbot.console.ui.held import floor_of_held, floors_of_held, grade_of_held
from markets.terms.grades import Grade
from markets.terms.special_settlements import residual
from strategies import reasons
from strategies.explain import live_event
from strategies.models import NearMiss, Profile
from trading import selectors, waiting
from trading.accounting import results
from trading.models import ACTIVE, Position
from trading.safety import halt
from trading.waiting import Waiting
from triage.models import Recommendation


def dollars(value: int | None) -> Decimal:
    """Micro-dollars as dollars, exact."""
    return Decimal(format_decimal(value or 0, 6))


def contracts(value: int) -> Decimal:
    """1/100 contract as contracts, exact."""
    return Decimal(format_decimal(value, 2))


def stops(found: Iterable[Obstacle]) -> list[shapes.StopOut]:
    """What stops new baskets, as the console's pages name it."""
    names = ("code", "title", "why", "who", "until", "profile")
    return [shapes.StopOut(**{name: getattr(one, name) for name in names}) for one in found]


def why(event: str, profile: Profile) -> shapes.WhyOut:
    """Why an event is bought or not by a profile, after what stops the profile whatever the event. HttpError 404 when no such event
    is known."""
    try:
        lines = explained.lines(event, profile)
    except live_event.NotKnown as error:
        raise HttpError(404, str(error)) from None
    except KalbotError as error:
        lines = [str(error)]
    return shapes.WhyOut(event=event, profile=profile.name, stops=stops(obstacles.found(profile)), lines=lines)


def system() -> shapes.StatusOut:
    """Every part, the trading state in force, and what stops everything."""
    parts = status.check()
    return shapes.StatusOut(
        state=status.worst(parts),
        trading=halt.current().value,
        stops=stops(obstacles.all_found(obstacles.read())),
        parts=[shapes.PartOut(name=part.name, state=part.state, sentence=part.sentence) for part in parts],
    )


def profiles() -> list[shapes.ProfileOut]:
    """Every profile with what it has at work and what it has earned."""
    found, now = [], obstacles.read()
    for profile in Profile.objects.order_by("name"):
        sums = Position.objects.filter(profile=profile).aggregate(
            number=Count("pk", filter=Q(status__in=ACTIVE)),
            cost=Sum("cost", filter=Q(status__in=ACTIVE)),
            realised=Sum("realised"),
        )
        found.append(
            shapes.ProfileOut(
                name=profile.name,
                mode=profile.mode,
                active=profile.is_active,
                trading=halt.current(profile).value,
                stops=stops(obstacles.found(profile, now)),
                capital=dollars(profile.capital),
                open_positions=sums["number"],
                cost=dollars(sums["cost"]),
                realised=dollars(sums["realised"]),
            )
        )
    return found


def positions(rows: Iterable[Position]) -> list[shapes.PositionOut]:
    """Positions with what is held of each; a few queries find what is naked and what is waited for of all."""
    found = list(rows)
    naked, waits, floors = selectors.naked_legs(found), waiting.of_all(found), floors_of_held(found)
    return [shapes.PositionOut(**position(row, row.pk in naked, waits.get(row.pk), floors[row.pk])) for row in found]


def position(row: Position, naked: bool, waits: Waiting | None, floor: int | None) -> dict[str, Any]:
    """The columns of a position. ``floor``: of what is held, micro-dollars."""
    return {
        "id": row.pk,
        "event": row.event_id,
        "title": row.event.title,
        "profile": row.profile.name,
        "mode": row.mode,
        "kind": row.kind,
        "status": row.status,
        "cost": dollars(row.cost),
        "floor": None if floor is None else dollars(floor),
        "grade": grade_of_held(row),
        "opened_as": Grade(row.grade).label,
        "at_discretion": residual(row.event_id),
        "naked": naked,
        "fees": dollars(row.fees),
        "realised": dollars(row.realised),
        "residual": row.residual,
        "waits_for": "" if waits is None else waits.what,
        "waits_since": None if waits is None else waits.since,
        "next_try": None if waits is None else waits.next_try,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }


def position_detail(row: Position) -> shapes.PositionDetail:
    """A position with its legs and its history in words."""
    legs = [
        shapes.LegOut(
            id=leg.pk, market=leg.market_id, side=leg.side, held=contracts(leg.held), cost=dollars(leg.open_cost)
        )
        for leg in row.legs.all()
    ]
    history = [f"{one.at:%Y-%m-%d %H:%M:%S} UTC {one.actor}: {one.reason}" for one in row.events.order_by("id")]
    return shapes.PositionDetail(
        **position(row, bool(selectors.naked_legs([row])), waiting.of(row), floor_of_held(row)),
        legs=legs,
        history=history,
    )


def near_miss(row: NearMiss) -> shapes.NearMissOut:
    """An open near miss with its reason's sentence."""
    known = {code.value: code for code in reasons.Reason}
    code = known.get(row.constraint)
    return shapes.NearMissOut(
        event=row.event_id,
        profile=row.profile.name,
        reason=row.constraint,
        sentence=code.sentence if code is not None else row.constraint,
        distance_percent=Decimal(format_decimal(row.distance_ppm, 4)),
        since=row.started_at,
    )


def recommendation(row: Recommendation) -> shapes.RecommendationOut:
    """One piece of advice."""
    return shapes.RecommendationOut(
        id=row.pk,
        position=row.position_id,
        event=row.position.event_id,
        advice=row.advice,
        reason=row.reason,
        detail=row.detail,
        gain=None if row.gain is None else dollars(row.gain),
        opened_at=row.opened_at,
    )


def pnl(mode: str) -> list[shapes.PnlOut]:
    """Per profile of a mode: ended baskets, realised profit, fees, and the cost of what is open, as the results page has them. Modes are
    never added up."""
    made, held = results.made(mode), Position.objects.filter(mode=mode, status__in=ACTIVE).order_by()
    cost = dict(held.values_list("profile").annotate(Sum("cost")))
    return [
        shapes.PnlOut(
            profile=profile.name,
            mode=mode,
            ended=one.ended,
            realised=dollars(one.realised),
            fees=dollars(one.fees),
            open_cost=dollars(cost.get(profile.pk)),
        )
        for profile in Profile.objects.filter(mode=mode, pk__in={*made, *cost}).order_by("name")
        for one in [made.get(profile.pk, results.Made())]
    ]


def results_of(period: str, first: date | None, last: date | None, profile: str) -> list[shapes.ResultOut]:
    """Every profile, or the named one, in a period or in whole days; the same numbers as the results page."""
    since, until = _time(period, first, last)
    rows = Profile.objects.order_by("mode", "name")
    profiles = list(rows.filter(name=profile) if profile else rows)
    open_ = equity.unrealised_of(profiles)
    lines = [table.line(results.result(one, since, until), *open_[one.pk]) for one in profiles]
    return [shapes.ResultOut.model_validate({name: value or None for name, value in line.items()}) for line in lines]


def equity_of(period: str, first: date | None, last: date | None, profile: Profile) -> list[shapes.EquityOut]:
    """What the profile was worth in a period or in whole days, as it was kept each hour."""
    found = equity.samples(profile, *_time(period, first, last))
    return [shapes.EquityOut.model_validate(equity_table.line(one)) for one in found]


def _time(period: str, first: date | None, last: date | None) -> tuple[datetime | None, datetime]:
    """(since, until) of whole days where one is named, else of the period."""
    now = clock.now()
    whole = first is not None or last is not None
    return results.days(first, last, now) if whole else (results.begin(period, now), now)
