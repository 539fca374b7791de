"""The right to act on a position, which one worker at a time has.

The lease keeps two workers from doing the same work; what they may *do* is decided by conditional updates and constraints, so a lapsed
lease costs nothing but time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, CharField, DateTimeField, Expression, Q, QuerySet

from kalbot.common import clock
from kalbot.common.db import direct, pipeline
from kalbot.common.db.direct import Message
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_update import PreparedUpdate
from trading.accounting.ledger import Overtaken
from trading.accounting.position_booking import PositionBooking
from trading.models import Position

LEASE_SECONDS: Final = 45
LONGEST_LEASE: Final = timedelta(seconds=LEASE_SECONDS + 1)
YOUNG_SECONDS: Final = 5
_FREE: Final[dict[str, Any]] = {"lease_token": "", "lease_until": None}


class Lease:
    """The right to act on one position, renewed with every write."""

    def __init__(self, position_id: int, token: str) -> None:
        self.position_id = position_id
        self.token = token
        self.renewed, self.renewed_at = clock.monotonic(), clock.now()
        self.is_over = False
        self.read_at_end: Message | None = None

    def end_with(self, booking: PositionBooking, requests: Statement) -> dict[str, Any]:
        """Columns of the position that give the lease back with the ``booking`` that is about to be written; none where it is not ours.
        ``requests``: what is read behind the commit, since whoever requested something meanwhile found the lease taken."""
        if booking.position.lease_token != self.token:
            return {}
        self.read_at_end = direct.read_behind(requests)
        transaction.on_commit(self._end)
        return _FREE

    def _end(self) -> None:
        self.is_over = True

    def renew(self) -> None:
        """Prove inside a transaction that the lease still holds, and prolong it. Overtaken if it does not.

        Nobody can have taken one that is young by both clocks; that it still holds is checked again before an order is sent.
        """
        now = clock.now()
        by_wall = (now - self.renewed_at).total_seconds()
        if 0 <= by_wall < YOUNG_SECONDS and clock.monotonic() - self.renewed < YOUNG_SECONDS:
            return
        until = now + timedelta(seconds=LEASE_SECONDS)
        if not Position.objects.filter(pk=self.position_id, lease_token=self.token).update(lease_until=until):
            raise Overtaken(f"position {self.position_id} was taken over")
        self.renewed, self.renewed_at = clock.monotonic(), now


def new_token() -> str:
    """A token that no other worker has."""
    return secrets.token_hex(16)


def is_free(now: datetime | Expression, lapses: datetime | Expression | None = None) -> Q:
    """Positions that nobody has a lease of. One that ends later than any lease that is given now (``lapses``) was taken before a clock was
    set back; what its worker may still do is decided by its token, which the next lease replaces."""
    lapses = now + LONGEST_LEASE if lapses is None else lapses
    return Q(lease_until=None) | Q(lease_until__lt=now) | Q(lease_until__gt=lapses)


@contextmanager
def lease(position_id: int) -> Iterator[Lease | None]:
    """Take the position's lease; yields None when another worker has it. Given back at the end, lapses after a death."""
    token, now = new_token(), clock.now()
    until = now + timedelta(seconds=LEASE_SECONDS)
    # one that is lost with the database's machine is as good: what is committed under it is not there without it
    if not _TAKEN.run_soon(position=position_id, token=token, until=until, now=now, lapses=now + LONGEST_LEASE):
        yield None
        return
    with given_back(Lease(position_id, token)) as mine:
        yield mine


def _taken() -> tuple[QuerySet[Position], dict[str, Any]]:
    now, lapses, until = (Param(name, DateTimeField()) for name in ("now", "lapses", "until"))
    free = Position.objects.filter(is_free(now, lapses), pk=Param("position", BigIntegerField()))
    return free, {"lease_token": Param("token", CharField()), "lease_until": until}


_TAKEN: Final = PreparedUpdate(_taken)


@contextmanager
def given_back(lease: Lease) -> Iterator[Lease]:
    """Give back, at the end, a lease that was taken with the position's own row."""
    try:
        yield lease
    finally:
        if not lease.is_over:
            # one that is not given back lapses: that is all that is lost with it
            pipeline.rows_soon(direct.updating(Position, _FREE, id=lease.position_id, lease_token=lease.token))
