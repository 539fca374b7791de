"""May anything be sent at all? ACTIVE, REDUCING (exits and unwinds only) or HALTED (cancels only), globally and per profile.

Stored in the database and read before every send. The stricter of the two counts; a global state that is absent or
cannot be read is HALTED. A halt never forgets a position: what is half-filled waits, explained, until the state allows it
to be completed or unwound.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from django.db import DatabaseError, transaction
from django.db.models import Expression, Subquery

from kalbot.common import events, messages
from kalbot.common.errors import KalbotError
from strategies.models import Profile
from trading.models import Order, OrderStatus, TradingState

State = TradingState.State
GLOBAL: Final = "global"
_STRICTNESS: Final = {State.ACTIVE: 0, State.REDUCING: 1, State.HALTED: 2}
ABSENT: Final = TradingState(scope=GLOBAL, state=State.HALTED, reason="no trading state is stored", actor="kalbot")
"""What holds while no global state is stored."""
EXIT_WAITS: Final = (
    "Trading is halted, so only cancels are sent: this exit waits until a risk manager resumes or reduces."
)
log = logging.getLogger(__name__)


def scope_of(profile: Profile | None) -> str:
    """The key of a state: one global, one a profile."""
    return GLOBAL if profile is None else f"profile:{profile.pk}"


def current(profile: Profile | None = None) -> State:
    """The state in force for ``profile`` (None: globally)."""
    scopes = [GLOBAL] if profile is None else [GLOBAL, scope_of(profile)]
    try:
        rows = dict(TradingState.objects.filter(scope__in=scopes).values_list("scope", "state"))
    except DatabaseError:
        log.exception("the trading state cannot be read: halted")
        return State.HALTED
    return stricter(rows.get(GLOBAL), None if profile is None else rows.get(scope_of(profile)))


def exit_waits(profile: Profile) -> str:
    """Why an exit of ``profile`` that is requested now does not begin, for people to read; empty when the switch lets it."""
    return EXIT_WAITS if current(profile) == State.HALTED else ""


def stricter(of_all: str | None, own: str | None) -> State:
    """What holds where these are stored, globally and for a profile. Nothing stored globally, or a word that is unknown, is HALTED."""
    try:
        stored = [State(state) for state in (of_all, own) if state is not None]
    except ValueError:
        log.exception("the trading state cannot be read: halted")
        return State.HALTED
    return max(stored, key=_STRICTNESS.__getitem__) if of_all is not None else State.HALTED


def stored(scope: str | Expression) -> dict[str, Subquery]:
    """Annotations: the words that are stored globally and for a profile's ``scope``; what they mean says ``stricter``."""
    words = TradingState.objects.order_by().values("state")
    return {
        "global_state": Subquery(words.filter(scope=GLOBAL)[:1]),
        "own_state": Subquery(words.filter(scope=scope)[:1]),
    }


def row_of(profile: Profile | None = None) -> TradingState:
    """The stored state of ``profile`` (None: global) with who and why, for people to read; where none is stored, an unsaved row
    that says what holds: globally halted, a profile by itself active."""
    row = TradingState.objects.filter(scope=scope_of(profile)).first()
    return row or _unstored(profile)


def of_each(profiles: Iterable[Profile]) -> list[tuple[Profile, TradingState, State]]:
    """Each profile with its own row, as ``row_of`` gives it, and the state in force for it. One query."""
    rows = {row.scope: row for row in TradingState.objects.all()}
    of_all = rows[GLOBAL].state if GLOBAL in rows else None
    owned = [(profile, rows.get(scope_of(profile)) or _unstored(profile)) for profile in profiles]
    return [(profile, own, stricter(of_all, own.state)) for profile, own in owned]


def _unstored(profile: Profile | None) -> TradingState:
    if profile is not None:
        return TradingState(scope=scope_of(profile), profile=profile, state=State.ACTIVE, reason="", actor="")
    return ABSENT


class WouldLoosen(KalbotError):
    """Halting would have been less strict than the state that holds."""


def set_state(
    *,
    state: str,
    actor: str,
    reason: str,
    profile: Profile | None = None,
    cancel_resting: bool = False,
    may_loosen: bool = True,
) -> TradingState:
    """Change the state, with who and why. ``cancel_resting`` also wakes every position that has an order resting, so that
    it is cancelled now rather than at its deadline. Raises ValueError for an unknown state or no reason, and without ``may_loosen``
    WouldLoosen where the scope is stopped more strictly already."""
    if not reason.strip():
        raise ValueError("a change of the trading state needs a reason")
    with transaction.atomic():
        now = _locked(profile)
        if not may_loosen and _STRICTNESS[State(state)] < _STRICTNESS[now]:
            raise WouldLoosen(
                f"It is {now.upper()} already, which is stricter; only resuming makes it {state.upper()}."
            )
        row, _ = TradingState.objects.update_or_create(
            scope=scope_of(profile),
            defaults={"state": State(state), "actor": actor, "reason": reason[:300], "profile": profile},
        )
        if cancel_resting and row.state != State.ACTIVE:
            resting = Order.objects.filter(status=OrderStatus.RESTING)
            if profile is not None:
                resting = resting.filter(profile=profile)
            for position_id in set(resting.values_list("position_id", flat=True)):
                messages.send_on_commit(messages.EXIT_POSITION, position_id)
        events.emit(events.Event.TRADING_STATE, scope=row.scope, status=row.state, actor=actor, reason=reason)
    return row


def tighten(*, state: str, actor: str, reason: str, profile: Profile | None = None) -> bool:
    """Set ``state`` only if it is stricter than what is set for the same scope: a machine never loosens. True if changed."""
    with transaction.atomic():
        if _STRICTNESS[State(state)] <= _STRICTNESS[_locked(profile)]:
            return False
        set_state(state=state, actor=actor, reason=reason, profile=profile)
    return True


def _locked(profile: Profile | None) -> State:
    """What is stored for the scope alone, the row held until the transaction ends. Nothing stored: see ``row_of``."""
    row = TradingState.objects.select_for_update().filter(scope=scope_of(profile)).first()
    return stricter((row or row_of(profile)).state, None)
