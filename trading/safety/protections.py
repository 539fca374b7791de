"""After bad luck or bad data: time-boxed locks on new baskets, each with its reason. Exits are never locked.

A lock is a row that a person can read and lift; it also ends when its cause has (``lock_causes``). The thresholds are deliberately
blunt: they stop a machine that is wrong again and again, they do not tune a strategy.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, Expression, OuterRef, Q, QuerySet

from kalbot.common import clock
from strategies.models import Profile
from trading.denials import OF_ONE_EXIT, Refusal
from trading.models import TERMINAL, Leg, Lock, Order, OrderError, OrderStatus, Position, PositionEvent, PositionStatus

UNWOUND_BASKETS: Final = 3
FAILED_BASKETS: Final = 10
"""Baskets of which nothing was bought: prices are gone before we come, or the exchange does not want our orders."""
FAILED_WITHIN: Final = timedelta(hours=1)
FAILED_LOCK: Final = timedelta(minutes=15)
STREAK: Final = 4
STREAK_LOCK: Final = timedelta(hours=1)
REJECTS: Final = 5
REJECTS_WITHIN: Final = timedelta(minutes=1)
REJECT_LOCK: Final = timedelta(minutes=5)
DIFFERENCE_LOCK: Final = timedelta(minutes=15)
RESIDUAL_LOCK: Final = timedelta(minutes=15)
FEED_LOCK: Final = timedelta(seconds=5)
OWN_ERRORS: Final = (OrderError.NOT_SENT, OrderError.NEVER_ARRIVED, OrderError.RATE_LIMITED, OrderError.PAUSED)
"""Refusals that say nothing about our orders: they pass."""
EXIT_WAITS: Final = Q(status=PositionStatus.EXITING, residual_code__in=OF_ONE_EXIT)
"""An exit that waits for its prices, as somebody wanted it. It keeps its capital, and new baskets out of its own event alone."""
log = logging.getLogger(__name__)


def lock(profile: Profile | None, code: Lock.Code, reason: str, period: timedelta) -> None:
    """Lock new baskets of a profile (None: of all). A lock of the same code that is in force is prolonged, not doubled."""
    until = clock.now() + period
    in_force = Lock.objects.filter(profile=profile, code=code, actor=Lock.MACHINE, until__gt=clock.now())
    if not in_force.update(until=until, reason=reason[:300]):
        Lock.objects.create(profile=profile, code=code, reason=reason[:300], until=until)
    log.warning("lock set on %s: %s (%s)", profile or "all profiles", code, reason)


def in_force(profile: int | Expression, now: datetime | Expression) -> QuerySet[Lock]:
    """The locks that forbid a profile new baskets: its own and those of all."""
    return Lock.objects.filter(Q(profile=None) | Q(profile=profile), until__gt=now)


def after_unwind(position: Position) -> None:
    """A basket was unwound in whole or part: too many of them lock the profile."""
    since = clock.now() - FAILED_WITHIN
    began = PositionEvent.objects.filter(
        _sold_in_an_unwind(), position__profile=position.profile, to_status=PositionStatus.UNWINDING, at__gte=since
    ).exclude(from_status=PositionStatus.UNWINDING)
    unwound = sorted(set(began.values_list("position", flat=True)))
    if len(unwound) >= UNWOUND_BASKETS:
        names = ", ".join(f"#{pk}" for pk in unwound)
        reason = f"{len(unwound)} baskets were unwound within an hour: {names}"
        lock(position.profile, Lock.Code.UNWOUND_BASKETS, reason, FAILED_LOCK)
    after_rejects(position.profile)
    after_end(position)


def _sold_in_an_unwind() -> Exists:
    """Whether an event's position sold anything to be rid of it: what is kept as orphans, or completed after all, passes through
    *unwinding* too."""
    sales = Order.objects.filter(position=OuterRef("position"), purpose=Order.Purpose.UNWIND, filled_count__gt=0)
    return Exists(sales)


def after_failure(position: Position) -> None:
    """Nothing of a basket was bought: too many of them lock the profile."""
    since = clock.now() - FAILED_WITHIN
    failed = Position.objects.filter(~_bought(), profile=position.profile, status=PositionStatus.ABORTED)
    failed = failed.exclude(close_code__in=OWN_ERRORS)
    count = failed.filter(ended_at__gte=since).count()
    if count >= FAILED_BASKETS:
        lock(
            position.profile,
            Lock.Code.FAILED_BASKETS,
            f"nothing was bought of {count} baskets within an hour",
            FAILED_LOCK,
        )
    after_rejects(position.profile)


def _bought() -> Exists:
    """Whether anything was bought of a position; its fees do not say so, for some series have none."""
    return Exists(Leg.objects.filter(position=OuterRef("pk"), bought_count__gt=0))


def after_end(position: Position) -> None:
    """A position ended: a streak of losses locks the profile."""
    if is_losing(position.profile):
        lock(position.profile, Lock.Code.LOSS_STREAK, f"the last {STREAK} positions lost", STREAK_LOCK)


def is_losing(profile: Profile) -> bool:
    """Whether the last positions of ``profile`` that bought something all lost."""
    ended = Position.objects.filter(profile=profile, status__in=TERMINAL).filter(_bought())
    last = list(ended.order_by("-ended_at").values_list("realised", flat=True)[:STREAK])
    return len(last) == STREAK and all(realised < 0 for realised in last)


def after_rejects(profile: Profile) -> None:
    """The exchange rejects order after order: something is wrong that a retry will not cure."""
    rows = Order.objects.filter(
        profile=profile, status=OrderStatus.REJECTED, ended_at__gte=clock.now() - REJECTS_WITHIN
    )
    count = rows.exclude(error_code__in=OWN_ERRORS).count()
    if count >= REJECTS:
        lock(profile, Lock.Code.REJECT_STORM, f"{count} orders were refused within a minute", REJECT_LOCK)


def after_residual(position: Position, refusal: Refusal) -> None:
    """Contracts are left that could not be sold within their cap: no new basket until a person has had time to react. Not for an exit
    that waits for its prices (``EXIT_WAITS``); one that waits for cash needs what new baskets would spend."""
    if position.status == PositionStatus.EXITING and refusal.code in OF_ONE_EXIT:
        return
    lock(position.profile, Lock.Code.RESIDUAL, f"position #{position.pk}: {refusal}", RESIDUAL_LOCK)


def after_difference(profile: Profile, what: str) -> None:
    """Our books and the exchange's differ and nothing explains it. REDUCING stays until a person resumes; the lock gives them
    time before the next basket even then."""
    lock(profile, Lock.Code.DIFFERENCE, what, DIFFERENCE_LOCK)


def after_feed_gap(reason: str) -> None:
    """The price feed reconnected: wait until its books are complete."""
    lock(None, Lock.Code.FEED_GAP, reason, FEED_LOCK)
