"""Exits that have waited for bids for longer than their patience: which of them triage sees, and whose least prices may be named again."""

from __future__ import annotations

from typing import Final

from django.db.models import Q

from kalbot.common import clock
from trading.denials import DenialCode
from trading.models import ExitRequest, Position, PositionStatus

TOO_FEW: Final = (DenialCode.NO_BID, DenialCode.OWN_ORDER)
"""What patience is for: nobody else bids enough."""
TRIAGE: Final = "triage"
"""The source of an exit that was advised, and the actor of one that the profile's policy accepted by itself."""


def advised() -> Q:
    """Of positions: those that triage assesses. Open ones, and those whose advised exit goes on waiting for bids."""
    waiting = ExitRequest.objects.filter(
        status=ExitRequest.Status.OPEN,
        source=TRIAGE,
        position__status=PositionStatus.EXITING,
        position__residual_code__in=TOO_FEW,
        position__deadline_at__lte=clock.now(),
    )
    return Q(status=PositionStatus.OPEN) | Q(pk__in=waiting.values("position"))


def may_renew(position: Position, first: ExitRequest, source: str, actor: str) -> bool:
    """Whether newer advice takes the place of an open request: only of an advised one that nobody bids enough for, and of a person's
    acceptance only that person's own."""
    is_waiting = position.status == PositionStatus.EXITING and position.residual_code in TOO_FEW
    is_patience_over = position.deadline_at is not None and position.deadline_at <= clock.now()
    return is_waiting and is_patience_over and source == first.source == TRIAGE and first.actor in (TRIAGE, actor)
