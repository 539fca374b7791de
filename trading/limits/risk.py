"""Every limit, in one place, checked before every order. The first refusal found counts.

``limits`` needs the database only; it is checked inside the transaction that reserves capital too, where the balance row is
locked and no other worker can slip past a limit. ``market`` needs the live books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.db import pipeline
from kalbot.common.units import dollars, part_of
from markets import exchange_hours
from markets.terms.grades import Grade
from strategies.models import Kind, Mode, Profile
from strategies.profiles.blackout import in_blackout
from strategies.profiles.sharing import shares
from trading.accounting import collateral, shard_cash
from trading.books.live_books import LiveBooks
from trading.denials import DenialCode, Denied, Refusal
from trading.limits import basis, facts
from trading.limits.facts import Facts
from trading.limits.intent import Intent
from trading.models import Discrepancy, Lock, Order, PositionStatus
from trading.reconciliation import foreign
from trading.safety import halt
from trading.venues import connection

State = halt.State


def may_send(profile: Profile, *, reduces: bool) -> None:
    """The checks that hold for every order, exits included: trading state and the two switches of live. Raises Denied."""
    allows(halt.current(profile), profile, reduces=reduces)


def allows(state: halt.State, profile: Profile, *, reduces: bool) -> None:
    """The same where the trading state is known. Raises Denied."""
    if state == State.HALTED or (state == State.REDUCING and not reduces):
        raise Denied(DenialCode.HALTED if state == State.HALTED else DenialCode.REDUCING, f"trading is {state}")
    if profile.mode == Mode.LIVE and not settings.KALBOT_LIVE:
        raise Denied(DenialCode.LIVE_OFF, "KALBOT_LIVE is not set in this environment")


def limits(intent: Intent, read: Facts | None = None) -> Facts:
    """Limits that the database knows, checked on what it says at this moment: that is returned. ``read``: what the caller has read
    just now. Raises Denied."""
    found = (
        intent.facts if intent.completes else read or facts.of_rows(intent.decision, *pipeline.rows_of(intent.reading))
    )
    allows(found.state, found.profile, reduces=intent.completes)
    for refusal in refusals(intent, found):
        raise Denied(refusal.code, refusal.detail)
    return found


def refusals(intent: Intent, found: Facts) -> Iterator[Refusal]:
    """Everything that refuses ``intent`` under these facts, in the order in which it binds; beside what ``allows`` says."""
    for check in _COMPLETING if intent.completes else _LIMITS:
        yield from check(intent, found)


def market(intent: Intent, live: LiveBooks) -> None:
    """Whether the books may be traded on, and whether what the decision rests on is still so. Raises Denied."""
    books(intent, live)
    premises(intent)


def premises(intent: Intent) -> None:
    """Whether what the decision rests on is still so. Raises Denied."""
    for refusal in basis.refusals(intent):
        raise Denied(refusal.code, refusal.detail)


def books(intent: Intent, live: LiveBooks) -> None:
    """Whether the books may be traded on. Raises Denied."""
    reason = live.unusable(intent.tickers, intent.profile.max_price_age_ms)
    if reason is not None:
        raise Denied(reason, ", ".join(intent.tickers)[:200])


Checks = Iterator[Refusal]
Check = Callable[[Intent, Facts], Checks]


def _profile(intent: Intent, found: Facts) -> Checks:
    if intent.decision.mode != found.mode:
        yield Refusal(DenialCode.MODE, f"the decision was {intent.decision.mode}, the profile is {found.mode}")
    if not found.is_reconciled:
        yield Refusal(DenialCode.NOT_RECONCILED, "no reconciliation with the exchange since this process began")


def _clock(intent: Intent, found: Facts) -> Checks:
    """A clock that differs from the exchange's, or by nobody knows how much, makes ages and signatures wrong."""
    if found.profile.mode != Mode.LIVE:
        return
    skew = connection.clock_skew_ms()
    if skew is None:
        yield Refusal(DenialCode.CLOCK_SKEW, "no answer of the exchange has shown its clock lately")
    elif abs(skew) > settings.KALBOT_MAX_CLOCK_SKEW_MS:
        yield Refusal(DenialCode.CLOCK_SKEW, f"{skew} ms behind, {settings.KALBOT_MAX_CLOCK_SKEW_MS} ms allowed")


def _wanted(intent: Intent, found: Facts) -> Checks:
    if not found.profile.is_active and intent.position is None:
        yield Refusal(DenialCode.INACTIVE_PROFILE, found.profile.name)
    if intent.decision.kind not in found.profile.kinds:
        yield Refusal(DenialCode.KIND, f"{intent.decision.kind} is not among {found.profile.kinds}")


def _denied(intent: Intent, found: Facts) -> Checks:
    if found.is_denied and intent.position is None:
        yield Refusal(DenialCode.DENIED_ELSEWHERE)


def _unknown_orders(intent: Intent, found: Facts) -> Checks:
    """Nothing new while it is not known what an order of the same account did: the account may hold more than its rows say."""
    if found.unknown_order is not None:
        order = Order.objects.filter(pk=found.unknown_order).first()
        yield Refusal(DenialCode.ORDER_UNKNOWN, f"{order.pk} of position #{order.position_id}" if order else "")


def _locks(intent: Intent, found: Facts) -> Checks:
    if found.lock is not None:
        lock = Lock.objects.filter(pk=found.lock).first()
        yield Refusal(DenialCode.LOCKED, f"{lock.code} until {lock.until:%H:%M:%S} UTC: {lock.reason}" if lock else "")
    if found.discrepancy is not None:
        row = Discrepancy.objects.get(pk=found.discrepancy)
        yield Refusal(DenialCode.DISCREPANCY, f"{row.code} {row.key}: ours {row.ours}, theirs {row.theirs}")


def _times(intent: Intent, found: Facts) -> Checks:
    now, profile = clock.now(), found.profile
    if in_blackout(profile.blackout, now):
        yield Refusal(DenialCode.BLACKOUT, f"{now:%H:%M} UTC")
    closes = [market.close_time for market in intent.markets if market.close_time is not None]
    first = min(closes, default=intent.decision.event.close_time)
    if first is not None and (first - now).total_seconds() < profile.min_seconds_to_close:
        yield Refusal(DenialCode.TOO_CLOSE, f"closes {first:%Y-%m-%d %H:%M:%S} UTC")
    cooldown = timedelta(seconds=profile.cooldown_seconds)
    if intent.position is None and found.last_ended is not None and found.last_ended > now - cooldown:
        words = f"a basket of {intent.decision.event_id} ended less than {profile.cooldown_seconds} s ago"
        yield Refusal(DenialCode.COOLDOWN, words)


def _exchange_hours(intent: Intent, found: Facts) -> Checks:
    """No basket begins while the exchange is shut, shortly before an announced pause, or without knowing."""
    if intent.position is not None and intent.position.status != PositionStatus.QUOTING:
        return
    live = found.profile.mode == Mode.LIVE
    shut = exchange_hours.obstacle_of(intent.hours, intent.decision.event.exchange_index, is_live=live)
    if shut is not None:
        yield Refusal(_HOURS[shut.why], shut.detail)


_HOURS: Final = {
    exchange_hours.Closed.PAUSED: DenialCode.EXCHANGE_PAUSED,
    exchange_hours.Closed.PAUSE_SOON: DenialCode.PAUSE_SOON,
    exchange_hours.Closed.UNKNOWN: DenialCode.HOURS_UNKNOWN,
}


def _foreign(intent: Intent, found: Facts) -> Checks:
    profile = found.profile
    # What is not ours would share the group whose collateral is returned.
    is_grouped = any(market.event.collateral_return_type for market in intent.markets)
    is_returned = is_grouped and collateral.is_used(intent.account_collateral)
    is_allowed = profile.beside_foreign and intent.locks is None and not is_returned
    if found.is_beside_foreign and intent.position is None and not is_allowed:
        words = foreign.in_event(intent.decision.event_id, profile.subaccount or 0)
        if words:
            yield Refusal(DenialCode.FOREIGN_CONTRACTS, words)


def _against_foreign(intent: Intent, found: Facts) -> Checks:
    """Never bought, whatever the profile allows and whatever is held already: a purchase that closes somebody else's contracts."""
    words = foreign.against(intent.legs, intent.foreign)
    if words:
        yield Refusal(DenialCode.FOREIGN_CONTRACTS, words)


def _sizes(intent: Intent, found: Facts) -> Checks:
    profile = found.profile
    if intent.worst_cost > profile.max_per_position:
        yield Refusal(DenialCode.MAX_PER_POSITION, part_of(intent.worst_cost, profile.max_per_position))
    for (ticker, side), cost in intent.legs.items():
        if cost > profile.max_per_leg:
            yield Refusal(DenialCode.MAX_PER_LEG, f"{side} {ticker}: {part_of(cost, profile.max_per_leg)}")
    if intent.position is None and found.is_taken:
        yield Refusal(DenialCode.EVENT_TAKEN, f"a position on {intent.decision.event_id} is active")
    at_risk = found.at_risk + intent.worst_cost
    if at_risk > profile.max_per_event:
        yield Refusal(DenialCode.MAX_PER_EVENT, part_of(at_risk, profile.max_per_event))
    if found.active + 1 > profile.max_open_positions:
        yield Refusal(DenialCode.MAX_OPEN_POSITIONS, f"{found.active + 1} of {profile.max_open_positions}")


def _quotes(intent: Intent, found: Facts) -> Checks:
    """How many baskets are quoted, and what may fill without the rest of its basket."""
    position, quote, profile = intent.position, intent.decision.quote, found.profile
    if not quote:
        return
    if found.quotes + 1 > profile.max_quotes:
        yield Refusal(DenialCode.QUOTES_AT_ONCE, f"{found.quotes + 1} of {profile.max_quotes}")
    wanted = quote["orphans"] if position is None else position.orphan_limit
    if wanted > orphans_left(found):
        yield Refusal(DenialCode.ORPHAN_BUDGET, f"{part_of(wanted, orphans_left(found))} left")


def orphans_left(found: Facts) -> int:
    """What one more quote may leave beyond whole baskets, by the budgets of the event and of the day, micro-dollars."""
    profile = found.profile
    return max(0, min(profile.orphan_budget, profile.orphan_budget_day - found.orphans_today))


def _order_rate(intent: Intent, found: Facts) -> Checks:
    wanted = len(intent.legs) if intent.position is None else intent.orders
    most = found.profile.max_orders_per_minute
    if found.sent + wanted > most:
        yield Refusal(DenialCode.ORDERS_PER_MINUTE, f"{found.sent} sent, {wanted} wanted, {most} allowed")


def _losses(intent: Intent, found: Facts) -> Checks:
    lost, profile = -found.realised_today, found.profile
    if lost > 0 and lost >= profile.max_daily_loss:
        words = f"{part_of(lost, profile.max_daily_loss)} since midnight, {profile.day_zone}"
        yield Refusal(DenialCode.DAILY_LOSS, words)
    if found.drawdown > 0 and found.drawdown >= profile.max_drawdown:
        yield Refusal(DenialCode.DRAWDOWN, f"{part_of(found.drawdown, profile.max_drawdown)} below the best")


def _shard(intent: Intent, found: Facts) -> Checks:
    shard, free = intent.decision.event.exchange_index, found.free_on_shard
    if shares(found.profile) and intent.position is None:
        refusal = shard_cash.refusal(found.profile, shard, intent.funds, free)
        if refusal is not None:
            yield refusal
    elif intent.position is not None and intent.position.status == PositionStatus.QUOTING and (free or 0) < 0:
        yield Refusal(DenialCode.SHARD_CASH, f"{dollars(-(free or 0))} less than is set aside on shard {shard}")


def _grade(intent: Intent, found: Facts) -> Checks:
    """The least grade as the profile has it now; a bet on coverage has no grade."""
    grade, least = Grade(intent.decision.grade), Grade(found.profile.least_grade)
    if intent.decision.kind != Kind.COVERAGE and not grade.meets(least):
        yield Refusal(DenialCode.LEAST_GRADE, f"the basket is {grade.label}, the profile takes {least.label}")


_LIMITS: Final[tuple[Check, ...]] = (
    _denied,
    _profile,
    _clock,
    _wanted,
    _grade,
    _unknown_orders,
    _locks,
    _times,
    _exchange_hours,
    _foreign,
    _against_foreign,
    _sizes,
    _quotes,
    _order_rate,
    _losses,
    _shard,
)
_COMPLETING: Final[tuple[Check, ...]] = (_profile, _against_foreign)
"""What limits new risk does not stop the purchase that takes risk away: that is bounded by the legs' limits, or by the budget. One that
would only close somebody else's contracts takes none away."""
