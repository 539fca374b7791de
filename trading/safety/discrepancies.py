"""Differences that nothing explains: one open row a key, an alert, and REDUCING for whoever it concerns."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import CharField, Expression, Q, QuerySet

from kalbot.common import clock, events
from kalbot.common.db.prepared import Param, Prepared
from markets.kalshi.schemas.boundary import Rejection
from markets.kalshi.schemas.orders import Order as ListedOrder
from strategies.models import Mode, Profile
from trading.models import Discrepancy, Order, Reconciliation, TradingState
from trading.safety import halt, protections

log = logging.getLogger(__name__)
ACTOR: Final = "reconciliation"
OF_ACCOUNT: Final = (
    Discrepancy.Code.POSITION,
    Discrepancy.Code.REJECTED_ORDER_FILLED,
    Discrepancy.Code.FILL_IMPOSSIBLE,
    Discrepancy.Code.FILL_MISSING,
    Discrepancy.Code.SETTLEMENT_COUNT,
    Discrepancy.Code.SETTLEMENT_REVENUE,
)
"""Differences that belong to a profile and are nevertheless the account's."""
OWN_COUNTS: Final = (Discrepancy.Code.LEDGER, Discrepancy.Code.LEDGER_POSITIONS, Discrepancy.Code.LEG_FILLS)
"""Two counts of our own: they cannot agree later if they ever differed."""
MOMENTARY: Final = (Discrepancy.Code.CASH,)
"""What a settlement under way can show for a moment. Contracts are no such thing: a person checks."""
OF_RECORDS: Final = (Discrepancy.Code.SETTLEMENT_COUNT, Discrepancy.Code.FILL_IMPOSSIBLE)
"""A record of the exchange that does not change any more and that our books lacked something of: once they agree with it, that is booked,
and nothing is left for a person to check."""
INCIDENTS: Final = (
    Discrepancy.Code.ORDER_UNRESOLVED,
    Discrepancy.Code.POSITION_WAITING,
    Discrepancy.Code.EXIT_WAITING,
    Discrepancy.Code.RESULT_WAITING,
    Discrepancy.Code.UNREADABLE,
)
"""Each is one incident for as long as it lasts: its texts say how things are now (the reason of the last try), and measure nothing."""
BY_THEIRS: Final = (
    Discrepancy.Code.LATE_FILL,
    Discrepancy.Code.LEGS_ALONE,
    Discrepancy.Code.ENDED_HOLDS,
    Discrepancy.Code.NETTING_ON,
)
"""What is measured by the second text alone: the first says in which state of ours it was found."""
OF_ITS_EVENT: Final = (Discrepancy.Code.EXIT_WAITING, Discrepancy.Code.RESULT_WAITING)
"""What is named and keeps nobody from baskets of other events."""
FALSE_WITHIN: Final = timedelta(minutes=15)
AGREED: Final = "a later comparison agreed"


def found(
    run: Reconciliation | None,
    code: Discrepancy.Code,
    key: str,
    *,
    ours: str = "",
    theirs: str = "",
    amount: int | None = None,
    profile: Profile | None = None,
    mode: str = Mode.LIVE,
    tightens: bool = True,
) -> Discrepancy:
    """Name a difference. A new one, or one that has changed, reduces its profile, or every profile of the mode when it belongs to
     none. What a person accepted as it is stays silent until it changes, or is over and comes again.

     ``amount``: what a change is measured by (else by both texts; see INCIDENTS, BY_THEIRS). ``mode``: where neither run nor profile
    says it. Without ``tightens`` the trading state stays: while it is open nothing new is bought, and it ends by itself.
    """
    mode = profile.mode if profile is not None else run.mode if run is not None else mode
    ours, theirs, key = ours[:120], theirs[:120], key[:160]
    last = Discrepancy.objects.filter(code=code, key=key).order_by("-id").first()
    if run is not None and not (last is not None and last.accepted and _is_same(last, ours, theirs, amount)):
        run.differences += 1
    if last is not None and (last.resolved_at is None or last.accepted):
        if _is_same(last, ours, theirs, amount):
            Discrepancy.objects.filter(pk=last.pk).update(
                ours=ours, theirs=theirs, reconciliation=run, last_seen_at=clock.now()
            )
            return last
        close(last, actor=ACTOR, resolution="it has changed")
    try:
        with transaction.atomic():
            made = Discrepancy.objects.create(
                code=code,
                key=key,
                profile=profile,
                mode=mode,
                ours=ours,
                theirs=theirs,
                amount=amount,
                reconciliation=run,
            )
    except IntegrityError:
        return Discrepancy.objects.get(code=code, key=key, resolved_at=None)
    _emit(made, "open")
    log.critical("unexplained difference %s %s: ours %s, theirs %s", code, key, ours, theirs)
    if not tightens:
        return made
    concerned = [profile] if profile is not None else list(Profile.objects.filter(mode=mode, is_active=True))
    for one in concerned:
        halt.tighten(state=halt.State.REDUCING, actor=ACTOR, reason=_reason(code, key), profile=one)
        protections.after_difference(one, _reason(code, key))
    return made


def name_unreadable(row: Reconciliation | None, what: str, unreadable: Iterable[Rejection]) -> None:
    """One record that cannot be read is set aside and named; the others go on."""
    for one in unreadable:
        digest = hashlib.sha256(one.sample.encode()).hexdigest()[:16]
        found(row, Discrepancy.Code.UNREADABLE, f"{what}:{digest}", ours=one.reason[:120], theirs=one.sample[:120])


def contradicts(row: Reconciliation, order: Order, theirs: ListedOrder) -> bool:
    """Name an order of the exchange that goes by an id of ours and is of another market or direction; False for one that is not."""
    moves = theirs.ticker, theirs.outcome_side.value
    if moves == order.moves:
        return False
    ours, said = (f"{towards} {ticker}" for ticker, towards in (order.moves, moves))
    key = f"order:{theirs.order_id}"
    found(row, Discrepancy.Code.UNREADABLE, key, ours=ours, theirs=said, profile=order.profile)
    return True


def name_namesake(row: Reconciliation, order: Order, theirs: ListedOrder, said: str) -> None:
    """Name an order of the exchange that has our order's client id and is not that order: somebody else's, who has copied it."""
    ours = f"order {order.pk}, {order.get_status_display()}"
    found(row, Discrepancy.Code.UNREADABLE, f"order:{theirs.order_id}", ours=ours, theirs=said, profile=order.profile)


def _reason(code: Discrepancy.Code, key: str) -> str:
    return f"unexplained difference: {code.value} {key}"[:300]


def _is_same(known: Discrepancy, ours: str, theirs: str, amount: int | None) -> bool:
    if known.code in INCIDENTS:
        return True
    if amount is not None and known.amount is not None:
        return known.amount == amount
    if known.code in BY_THEIRS:
        return known.theirs == theirs
    return (known.ours, known.theirs) == (ours, theirs)


def agreed(code: Discrepancy.Code, key: str, *, is_known: bool = True) -> None:
    """Close the open row of ``code`` with exactly this key: the last comparison agreed, or (``is_known`` False) has nothing to compare with
    any more, which takes back nothing."""
    for row in _KNOWN.rows(code=code):
        if row.key != key:
            continue
        if row.resolved_at is not None:
            is_over(row)
        elif is_known:
            disproved(row)
        else:
            close(row, actor=ACTOR, resolution=AGREED)


def resolved(code: Discrepancy.Code, prefix: str, except_for: Iterable[str] = ()) -> None:
    """Close the open rows of ``code`` whose key begins with ``prefix``, which ends where a name does: the last comparison agreed."""
    still = {f"{prefix}{one}" for one in except_for}
    for row in _KNOWN.rows(code=code):
        if row.key.startswith(prefix) and row.key not in still:
            (disproved if row.resolved_at is None else is_over)(row)


IN_MIND: Final = Q(resolved_at=None) | Q(accepted=True)
"""Differences that are open, or that are not named because a person accepted them."""
_KNOWN: Final = Prepared(lambda: Discrepancy.objects.filter(IN_MIND, code=Param("code", CharField())))


def is_over(row: Discrepancy) -> None:
    """What a person accepted as it is has ended: should it come again, just as it was, it is another one and is named."""
    Discrepancy.objects.filter(pk=row.pk, resolved_at__isnull=False).update(accepted=False)


def disproved(row: Discrepancy, because: str = "") -> None:
    """Close one because a later comparison agreed (``because``: why it does now), and take back what only it had tightened.

    Our own counts cannot agree later if they ever differed; what the exchange showed is taken for a mistake of the moment only while
    it is young; what was lacking of a record of the exchange is booked. A state that a person set, or that another difference has a part
    in, stays.
    """
    close(row, actor=ACTOR, resolution=f"{AGREED}: {because}" if because else AGREED)
    is_young = clock.now() - row.first_seen_at <= FALSE_WITHIN
    if row.code in OWN_COUNTS or row.code in OF_RECORDS or (row.code in MOMENTARY and is_young):
        _loosen(row)


def _loosen(row: Discrepancy) -> None:
    reason = _reason(Discrepancy.Code(row.code), row.key)
    states = TradingState.objects.filter(state=halt.State.REDUCING, actor=ACTOR, reason=reason)
    for state in states.select_related("profile"):
        of_all = Q(profile=None, mode=row.mode)
        others = Discrepancy.objects.filter(Q(profile=state.profile) | of_all, mode=row.mode)
        others = others.filter(Q(resolved_at=None) | Q(resolved_at__gte=state.changed_at)).exclude(pk=row.pk)
        if others.exclude(resolution__startswith=AGREED).exists():
            continue
        word = "booked by now" if row.code in OF_RECORDS else "proved false by a later comparison"
        note = f"{word}: {row.code} {row.key}"
        # as it was when it was read: a person may have set it meanwhile
        with transaction.atomic():
            if states.filter(pk=state.pk, changed_at=state.changed_at).select_for_update().exists():
                halt.set_state(state=halt.State.ACTIVE, actor=ACTOR, reason=note, profile=state.profile)


def close(row: Discrepancy, *, actor: str, resolution: str) -> None:
    """Close one, with who and why. The trading state stays as it is (see ``disproved``)."""
    if Discrepancy.objects.filter(pk=row.pk, resolved_at=None).update(
        resolved_at=clock.now(), resolution=f"{resolution} ({actor})"[:300]
    ):
        _emit(row, "closed")


def _emit(row: Discrepancy, status: str) -> None:
    events.emit(
        events.Event.DISCREPANCY,
        discrepancy=row.pk,
        profile=row.profile_id,
        mode=row.mode,
        code=row.code,
        status=status,
        ours=row.ours,
        theirs=row.theirs,
    )


def binding(profile: int | Expression, mode: str, account: Q) -> QuerySet[Discrepancy]:
    """The open differences that forbid a profile new baskets: its own, or one of the ``account`` that it trades on (rows of its
    profiles). One that was made or switched on later obeys it like the others."""
    mine = Q(profile=profile) | Q(profile=None, mode=mode)
    if mode == Mode.LIVE:
        mine |= Q(mode=Mode.LIVE, code__in=OF_ACCOUNT) & account
    return Discrepancy.objects.filter(mine, resolved_at=None).exclude(code__in=OF_ITS_EVENT)


def binds(row: Discrepancy, profile: Profile) -> bool:
    """The same of an open difference and a profile that were read, each with its profile."""
    if row.code in OF_ITS_EVENT:
        return False
    if row.profile_id == profile.pk or (row.profile is None and row.mode == profile.mode):
        return True
    live = profile.mode == row.mode == Mode.LIVE and row.profile is not None
    same = live and (row.profile.subaccount or 0) == (profile.subaccount or 0)  # type: ignore[union-attr]  # not None where it is live
    return same and row.code in OF_ACCOUNT


def open_ones(mode: str | None = None) -> list[Discrepancy]:
    """What is open, newest first."""
    rows = Discrepancy.objects.filter(resolved_at=None).select_related("profile")
    return list((rows.filter(mode=Mode(mode)) if mode else rows).order_by("-id"))
