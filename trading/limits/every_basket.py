"""What denies a profile every new basket, whichever it would be: for people to read before they ask why nothing is bought.

The same facts as ``risk.limits`` decides on, in its order, for many profiles in a handful of queries. Trading state, locks, blackouts and
the environment's switch are read elsewhere (the console's obstacles): they have people and times of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q

from kalbot.common import clock
from kalbot.common.units import dollars
from markets import exchange_hours
from strategies.models import Mode, Profile
from trading.accounting.accounts import of_subaccount
from trading.denials import DenialCode, Refusal
from trading.limits import day, facts
from trading.models import ACTIVE, Discrepancy, Order, OrderStatus, Position, ProfileBalance
from trading.safety import discrepancies, live_readiness


@dataclass(frozen=True, slots=True)
class _Read:
    """Counts and sums of several profiles, by profile id; micro-dollars."""

    active: dict[int, int]
    realised_today: dict[int, int]
    drawdown: dict[int, int]
    is_reconciled: bool
    some_unknown: bool
    some_difference: bool


def refusals(profiles: Sequence[Profile]) -> dict[int, list[Refusal]]:
    """By profile id, in the order in which they bind; profiles of which a basket might be bought are absent."""
    found = _read(profiles)
    named = {profile.pk: list(_of(profile, found)) for profile in profiles}
    return {pk: refused for pk, refused in named.items() if refused}


def _read(profiles: Sequence[Profile]) -> _Read:
    keys = [profile.pk for profile in profiles]
    held = Position.objects.filter(profile__in=keys, status__in=ACTIVE).order_by().values_list("profile")
    balances = ProfileBalance.objects.filter(profile__in=keys).values_list("profile", "best_equity", "realised")
    return _Read(
        active=dict(held.annotate(number=Count("pk"))),
        realised_today=day.realised_today(profiles),
        drawdown={pk: best + realised for pk, best, realised in balances},
        is_reconciled=not any(profile.mode == Mode.LIVE for profile in profiles) or _compared_lately(),
        some_unknown=Order.objects.filter(_unknown()).exists(),
        some_difference=Discrepancy.objects.filter(resolved_at=None).exists(),
    )


def _of(profile: Profile, found: _Read) -> Iterator[Refusal]:
    live = profile.mode == Mode.LIVE
    if live and not found.is_reconciled:
        minutes = live_readiness.MAX_AGE // timedelta(minutes=1)
        yield Refusal(DenialCode.NOT_RECONCILED, f"no comparison has ended well within {minutes} minutes")
    account = of_subaccount(profile.subaccount or 0)
    if found.some_unknown:
        of_whom = Q(account, mode=Mode.LIVE) if live else Q(profile=profile, mode=Mode.SIM)
        order = Order.objects.filter(_unknown(), of_whom).first()
        if order is not None:
            yield Refusal(DenialCode.ORDER_UNKNOWN, f"an order of position #{order.position_id}")
    if found.some_difference:
        row = discrepancies.binding(profile.pk, profile.mode, account).order_by("id").first()
        if row is not None:
            words = f"{row.get_code_display()}, {row.key}: ours {row.ours}, theirs {row.theirs}"
            yield Refusal(DenialCode.DISCREPANCY, words)
    shut = exchange_hours.obstacle(0, is_live=True) if live else None
    if shut is not None and shut.why == exchange_hours.Closed.UNKNOWN:
        yield Refusal(DenialCode.HOURS_UNKNOWN, shut.detail)
    active = found.active.get(profile.pk, 0)
    if active >= profile.max_open_positions:
        yield Refusal(DenialCode.MAX_OPEN_POSITIONS, f"{active} of {profile.max_open_positions}")
    yield from _losses(profile, found)


def _losses(profile: Profile, found: _Read) -> Iterator[Refusal]:
    lost, fallen = -found.realised_today[profile.pk], found.drawdown.get(profile.pk, 0)
    if lost > 0 and lost >= profile.max_daily_loss:
        words = f"{dollars(lost)} of {dollars(profile.max_daily_loss)} since midnight, {profile.day_zone}"
        yield Refusal(DenialCode.DAILY_LOSS, words)
    if fallen > 0 and fallen >= profile.max_drawdown:
        yield Refusal(DenialCode.DRAWDOWN, f"{dollars(fallen)} of {dollars(profile.max_drawdown)} below the best")


def _compared_lately() -> bool:
    return live_readiness.reconciliations(clock.now() - live_readiness.MAX_AGE).exists()


def _unknown() -> Q:
    """Orders whose outcome nobody knows: so marked, or left behind by a worker that is gone."""
    left = Q(status=OrderStatus.SENDING, sent_at__lt=clock.now() - facts.LEFT_BEHIND)
    return Q(status=OrderStatus.UNKNOWN) | left
