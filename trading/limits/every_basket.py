"""What denies a profile every new basket, whichever it would be: for people to read before they ask why nothing is bought.

The same facts as ``risk.limits`` decides on, in its order, for all active profiles in two queries where nothing is wrong, and one for
each shard of an account that live profiles trade on. Trading
state, locks, blackouts and the environment's switch are read elsewhere (the console's obstacles): they have times of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.db.models import Count, DateTimeField, Exists, Expression, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from kalbot.common import clock
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.units import part_of
from markets import exchange_hours
from strategies.models import Mode, Profile
from strategies.profiles.contradictions import GUARANTEED, least_cost
from trading.accounting import shard_cash
from trading.denials import DenialCode, Refusal
from trading.limits import day, facts
from trading.models import ACTIVE, Discrepancy, ExchangeAccount, Order, OrderStatus, Position, ProfileBalance
from trading.safety import discrepancies, live_readiness

_Free = Callable[[int, int], int | None]
"""What ``shard_cash.free`` says, read once for each account and shard."""


def active_profiles() -> list[Profile]:
    """The active profiles by name, each with what ``refusals`` goes by; one query for all of them."""
    now = clock.now()
    return _ACTIVE.rows(lately=now - live_readiness.MAX_AGE, left_behind=now - facts.LEFT_BEHIND)


def _active() -> QuerySet[Profile]:
    held = Position.objects.filter(profile=OuterRef("pk"), status__in=ACTIVE).order_by().values("profile")
    balance = ProfileBalance.objects.filter(profile=OuterRef("pk"))
    shards = ExchangeAccount.objects.filter(subaccount=Coalesce(OuterRef("subaccount"), 0)).values("shards")
    return (
        Profile.objects.filter(is_active=True)
        .order_by("name")
        .annotate(
            held_now=Subquery(held.annotate(number=Count("pk")).values("number")),
            fallen=Subquery(balance.values(below=F("best_equity") + F("realised"))),
            uncommitted=Subquery(balance.values(rest=F("cash") + F("capital"))),
            some_unknown=Exists(unknown_orders(Param("left_behind", DateTimeField()))),
            some_difference=Exists(Discrepancy.objects.filter(resolved_at=None)),
            shards=Subquery(shards),
            is_reconciled=Exists(live_readiness.reconciliations(Param("lately", DateTimeField()))),
        )
    )


_ACTIVE: Final = Prepared(_active)
"""Every page reads it, and the SQL of its seven subqueries takes Django longer to build than the database to answer."""


def refusals(profiles: Sequence[Any]) -> dict[int, list[Refusal]]:
    """Of ``active_profiles``, by profile id, in the order in which they bind; those of which a basket might be bought are absent."""
    realised, unknown, differences = day.realised_today(profiles), list[Order](), list[Discrepancy]()
    if any(profile.some_unknown for profile in profiles):
        unknown = list(unknown_orders().select_related("profile"))
    if any(profile.some_difference for profile in profiles):
        differences = list(Discrepancy.objects.filter(resolved_at=None).select_related("profile").order_by("id"))
    free = cache(shard_cash.free)
    named = {profile.pk: list(_of(profile, realised[profile.pk], unknown, differences, free)) for profile in profiles}
    return {pk: refused for pk, refused in named.items() if refused}


def _of(
    profile: Any, realised_today: int, unknown: Sequence[Order], differences: Sequence[Discrepancy], free: _Free
) -> Iterator[Refusal]:
    live = profile.mode == Mode.LIVE
    if live and not profile.is_reconciled:
        minutes = live_readiness.MAX_AGE // timedelta(minutes=1)
        yield Refusal(DenialCode.NOT_RECONCILED, f"no comparison has ended well within {minutes} minutes")
    for order in (one for one in unknown if _concerns(one, profile)):
        yield Refusal(DenialCode.ORDER_UNKNOWN, f"an order of position #{order.position_id}")
        break
    for row in (one for one in differences if discrepancies.binds(one, profile)):
        words = f"{row.get_code_display()}, {row.key}: ours {row.ours}, theirs {row.theirs}"
        yield Refusal(DenialCode.DISCREPANCY, words)
        break
    shut = exchange_hours.obstacle(0, is_live=True) if live else None
    if shut is not None and shut.why == exchange_hours.Closed.UNKNOWN:
        yield Refusal(DenialCode.HOURS_UNKNOWN, shut.detail)
    yield from _money(profile, live, free)
    if (profile.held_now or 0) >= profile.max_open_positions:
        yield Refusal(DenialCode.MAX_OPEN_POSITIONS, f"{profile.held_now} of {profile.max_open_positions}")
    yield from _losses(profile, -realised_today, profile.fallen or 0)


def _money(profile: Any, live: bool, free: _Free) -> Iterator[Refusal]:
    """Less than the smallest basket costs, or a live account without cash. What may be lent to it counts once it is."""
    left = profile.working + (profile.uncommitted or 0)
    if left < (least_cost(profile) if GUARANTEED.issuperset(profile.kinds) else 1):
        yield Refusal(DenialCode.CAPITAL, f"{part_of(max(0, left), profile.working)} are free")
    if live:
        account, shards = profile.subaccount or 0, profile.shards or {"0": 0}
        found = [shard_cash.refusal(profile, int(one), 1, free(account, int(one))) for one in shards]
        yield from [one for one in found if one is not None][:1] if all(found) else ()


def _concerns(order: Order, profile: Profile) -> bool:
    """Whether an order is of the account that the profile trades on; on paper each profile has its own."""
    if profile.mode != Mode.LIVE:
        return order.mode == profile.mode and order.profile_id == profile.pk
    return order.mode == Mode.LIVE and (order.profile.subaccount or 0) == (profile.subaccount or 0)


def _losses(profile: Profile, lost: int, fallen: int) -> Iterator[Refusal]:
    if lost > 0 and lost >= profile.max_daily_loss:
        words = f"{part_of(lost, profile.max_daily_loss)} since midnight, {profile.day_zone}"
        yield Refusal(DenialCode.DAILY_LOSS, words)
    if fallen > 0 and fallen >= profile.max_drawdown:
        yield Refusal(DenialCode.DRAWDOWN, f"{part_of(fallen, profile.max_drawdown)} below the best")


def unknown_orders(sent_before: datetime | Expression | None = None) -> QuerySet[Order]:
    """Orders whose outcome nobody knows, of every profile: so marked, or left behind by a worker that is gone, which were sent before
    ``sent_before`` (by default some seconds ago)."""
    left = Q(status=OrderStatus.SENDING, sent_at__lt=sent_before or clock.now() - facts.LEFT_BEHIND)
    return Order.objects.filter(Q(status=OrderStatus.UNKNOWN) | left)
