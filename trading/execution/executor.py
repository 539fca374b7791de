"""One small state machine a position.

``execute`` turns a decision into a position, ``step`` takes a position as far as it can go now. Both work from rows
alone and may be called by any worker at any time, again and again: a worker that dies between any two lines costs
time, nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from django.db.models import BigIntegerField
from structlog.contextvars import bound_contextvars

from kalbot.common import trace
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.trace import Stage
from trading import leases, states
from trading.execution import admission, handed
from trading.execution.phases import buy, complete, exit, quoting, selling, unwind
from trading.leases import Lease
from trading.models import TERMINAL, WORKING, Position, PositionStatus
from trading.states import Overtaken

MOST_PHASES: Final = 50
"""More in one step would be a loop."""
log = logging.getLogger(__name__)

PHASES: Final[dict[str, Callable[[Position, Lease], bool]]] = {
    PositionStatus.PENDING: buy.pending,
    PositionStatus.EXECUTING: buy.executing,
    PositionStatus.QUOTING: quoting.quoting,
    PositionStatus.COMPLETING: complete.completing,
    PositionStatus.UNWINDING: unwind.unwinding,
    PositionStatus.OPEN: exit.open_position,
    PositionStatus.EXITING: exit.exiting,
}


def execute(decision_id: UUID | str, message: str = "") -> Position | None:
    """Carry out a decision as far as possible now. None when it was denied (``Denial`` says why). ``message``: the decision as its
    task message has it (``strategies.cycle.handover``)."""
    moments = {Stage.TAKEN.value: trace.now()}
    given = handed.over(decision_id, message)
    decision = given or handed.read(decision_id)
    with bound_contextvars(decision=str(decision.pk), profile=decision.profile.name, event_ticker=decision.event_id):
        admitted = admission.take_up(decision, by_message=given is not None)
        if admitted is None:
            return None
        if admitted.lease is None:
            return step(admitted.position.pk)
        position = admitted.position
        position.trace = moments | {Stage.ADMITTED.value: trace.now()}
        with leases.given_back(admitted.lease), bound_contextvars(position=position.pk), _until_overtaken():
            if buy.begun(position, admitted.lease, admitted.legs, admitted.orders):
                _run(position, admitted.lease)
        return step(position.pk) if _is_requested(position, admitted.lease) else position


def step(position_id: int) -> Position:
    """Take a position as far as it can go now. Returns it as it stands; another worker's position is left alone."""
    with leases.lease(position_id) as lease:
        if lease is not None:
            position = _load(position_id)
            names = {"position": position_id, "profile": position.profile.name, "event_ticker": position.event_id}
            with bound_contextvars(**names), _until_overtaken():
                if position.status in WORKING:
                    states.watch(position)
                _run(position, lease)
    position = _load(position_id)
    return step(position_id) if lease is not None and _is_requested(position, lease) else position


@contextmanager
def _until_overtaken() -> Iterator[None]:
    try:
        yield
    except Overtaken as overtaken:
        log.info("%s", overtaken)


def _run(position: Position, lease: Lease) -> None:
    for _ in range(MOST_PHASES):
        if lease.is_over or position.status in TERMINAL or not PHASES[position.status](position, lease):
            return
        states.reload(position)
    raise RuntimeError(f"position {position.pk}: more than {MOST_PHASES} phases in one step")


def _is_requested(position: Position, lease: Lease) -> bool:
    """Whether somebody wants to leave a position that was opened with its lease given back."""
    if not lease.is_over:
        return False
    read = None if lease.read_at_end is None else lease.read_at_end.read
    return selling.open_request(position) is not None if read is None else bool(read)


def _load(position_id: int) -> Position:
    """The position with its profile, event and decision, which has the same profile and event. Position.DoesNotExist."""
    position = _POSITION.first(position=position_id)
    if position is None:
        raise Position.DoesNotExist(position_id)
    decision = position.decision
    if (decision.profile_id, decision.event_id) == (position.profile_id, position.event_id):
        decision.profile, decision.event = position.profile, position.event
    return position


_POSITION: Final = Prepared(
    lambda: Position.objects.filter(pk=Param("position", BigIntegerField())).select_related(
        "profile", "decision", "event", "event__series"
    )
)
