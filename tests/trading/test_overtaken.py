"""A worker that was frozen in mid-step wakes up when another one has done its work: it writes nothing of what it had found before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine

from kalbot.common import clock
from simulator.exchange import Exchange
from strategies.models import Decision
from tests.trading import quoted
from tests.trading.struck import StruckTwin, execute
from tests.trading.twin import TwinSession
from trading import leases, states, sweeper
from trading.execution import executor
from trading.models import Discrepancy, Position
from trading.venues import connection

FROZEN = timedelta(seconds=200)
"""Longer than a lease."""
LEASE = ("lease_token", "lease_until")


class Freezing(TwinSession):
    """Has something happen, once, just after the next answer to a request for ``path`` has left the exchange."""

    def __init__(self, exchange: Exchange, path: str, then: Callable[[], object]) -> None:
        super().__init__(exchange)
        self.path, self.then, self.has_happened = path, then, False

    def send(self, request: Any, **kwargs: Any) -> Any:
        answer = super().send(request, **kwargs)
        if self.path in urlsplit(request.url).path and not self.has_happened:
            self.has_happened = True
            self.then()
        return answer


def _columns(position: Position) -> dict[str, Any]:
    return {k: v for k, v in Position.objects.filter(pk=position.pk).values().get().items() if k not in LEASE}


def test_orphans_that_another_worker_holds_stay_held_and_are_no_late_fill(settings: Any) -> None:
    twin = quoted.begin(settings)
    position = quoted.begun(twin, quoted.profile())
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    left: list[dict[str, Any]] = []

    with time_machine.travel(clock.now(), tick=False) as traveller:

        def frozen() -> None:
            traveller.shift(FROZEN)
            Decision.objects.filter(pk=position.decision_id).update(quote=position.decision.quote | {"until_ms": 0})
            twin.sync()
            found = quoted.step(twin, position)
            assert (found.status, found.residual_code) == ("open", "orphans_held")
            left.append(_columns(position))

        session = Freezing(twin.exchange, "/portfolio/orders", frozen)
        twin.session = session
        connection.use(twin.client())
        quoted.step(twin, position)
        assert session.has_happened
        assert _columns(position) == left[0]
        sweeper.sweep()
    assert not Discrepancy.objects.exists()
    assert _columns(position) == left[0]


def test_what_a_worker_found_before_another_one_took_the_position_is_not_written(struck: StruckTwin) -> None:
    position = execute(struck)
    with leases.lease(position.pk) as lease:
        assert lease is not None
        mine = executor._load(position.pk)
        with time_machine.travel(clock.now() + FROZEN):
            with leases.lease(position.pk) as next_one:
                assert next_one is not None
                states.schedule(executor._load(position.pk), None, waits=7, residual="theirs")
                with pytest.raises(states.Overtaken):
                    states.schedule(mine, clock.now(), residual="mine")
                states.reload(mine)
                with pytest.raises(states.Overtaken):
                    states.schedule(mine, clock.now(), residual="mine")
            with pytest.raises(states.Overtaken):
                states.schedule(mine, clock.now(), residual="mine")
    row = Position.objects.get(pk=position.pk)
    assert (row.waits, row.residual, row.next_step_at) == (7, "theirs", None)


def test_a_position_that_has_moved_on_is_moved_by_nobody_who_saw_it_before(struck: StruckTwin) -> None:
    position = execute(struck)
    Position.objects.filter(pk=position.pk).update(status="exiting")
    events = position.events.count()
    with pytest.raises(states.Overtaken):
        states.transition(position, "unwinding", reason="seen as open")
    now = Position.objects.get(pk=position.pk)
    assert (now.status, now.events.count()) == ("exiting", events)
