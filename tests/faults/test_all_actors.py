"""Every actor at once on one database, which gives up transactions of each: nothing is bought twice, left or lost, and the books tie."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import pytest
from django.db import DatabaseError
from django.db import connection as database
from requests import PreparedRequest, Response

from kalbot.common.db import connections
from kalbot.common.db.retry import LOST
from kalbot.console import tasks as console
from markets.catalogue import lifecycle
from markets.catalogue.scan import scan
from markets.models import Certificate, Market
from markets.streaming.output.inbox import store
from markets.streaming.output.messages import to_message
from simulator.control.internal_state import internal_state
from strategies.models import Decision, Profile
from tests.faults import account_state
from tests.faults.lost import end_connection, give_up, is_change
from tests.markets.test_inbox import frame
from tests.trading import world
from tests.trading.twin import Twin, TwinSession
from trading import selectors, tasks
from trading.accounting import balance_check
from trading.closing import exits
from trading.models import Discrepancy, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]
BASKETS: Final = 4
LIMITS: Final = (3_000, 3_200, 3_100)
ONE_IN: Final = 25
"""So many messages for one that is given up."""
CUT_ONE_IN: Final = 120
"""So many for one whose connection the server ends before it arrives."""
MOVING: Final = account_state.MOVING


class Races:
    """Gives up one message in ``ONE_IN`` of a thread, with its transaction, as the database does with the victim of a deadlock, and ends
    its connection with one in ``CUT_ONE_IN``."""

    def __init__(self, seed: int) -> None:
        self.random, self.lost, self.cut = Random(seed), 0, 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not is_change(sql):
            return execute(sql, params, many, context)
        if not self.random.randrange(ONE_IN):
            self.lost += 1
            give_up(execute, sql, params, many, context, self.random.choice(LOST))
        if database.vendor == "postgresql" and not self.random.randrange(CUT_ONE_IN):
            self.cut += 1
            end_connection()
        return execute(sql, params, many, context)


class Crowd:
    """The actors, each in a thread that does its work again and again until all of them are stopped."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.over = threading.Event()
        self.errors: list[BaseException] = []
        self.races: list[Races] = []
        self.threads: list[threading.Thread] = []

    def add(self, name: str, work: Callable[[], object]) -> None:
        """An actor and the races that its thread loses."""
        races = Races(len(self.races))
        self.races.append(races)
        self.threads.append(threading.Thread(target=self._act, args=(work, races), name=name, daemon=True))

    def _act(self, work: Callable[[], object], races: Races) -> None:
        connection.use(self.twin.client())
        try:
            while not self.over.is_set():
                with database.execute_wrapper(races):
                    self._once(work, races)
                self.over.wait(0.1)
        except BaseException as error:
            self.errors.append(error)
        finally:
            database.close()

    def _once(self, work: Callable[[], object], races: Races) -> None:
        before = races.cut
        connections.before_task()
        try:
            work()
        except DatabaseError as error:  # the message is gone, and a sweep takes up its work
            if getattr(error.__cause__, "sqlstate", None) not in LOST and races.cut == before:  # five times in a row
                raise
        finally:
            connections.after_task()

    def run(self, until: Callable[[], bool], seconds: float) -> bool:
        """Whether it came true while all of them worked."""
        for thread in self.threads:
            thread.start()
        done = threading.Event()
        for _ in range(int(seconds * 2)):
            if self.errors or until():
                break
            done.wait(0.5)
        self.over.set()
        for thread in self.threads:
            thread.join(120)
        late = [thread.name for thread in self.threads if thread.is_alive()]
        assert late == []
        return until()


@pytest.fixture
def twins(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Twin]:
    """Events on one exchange, which answers one request after the other; the last is never traded."""
    settings.KALBOT_LIVE = True
    turn, send = threading.RLock(), TwinSession.send

    def in_turn(session: TwinSession, request: PreparedRequest, **kwargs: Any) -> Response:
        with turn:
            return send(session, request, **kwargs)

    monkeypatch.setattr(TwinSession, "send", in_turn)
    world.active()
    made = [Twin("KXT-0")]
    made += [Twin(f"KXT-{number}", beside=made[0]) for number in range(1, BASKETS + 1)]
    connection.use(made[0].client())
    for twin in made:
        for bid, ask in ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100)):
            twin.add_market([(bid, 100_000)], [(ask, 100_000)])
    scan(made[0].client())
    for twin in made:
        twin.row.refresh_from_db()
        Certificate.objects.filter(event=twin.row).delete()
        world.certify(twin.row, twin.markets)
        twin.sync()
    live_readiness.require_reconciliation()
    return made


def test_every_actor_loses_races_and_the_books_tie(twins: list[Twin]) -> None:
    profile = world.add_profile("live", mode="live", sending=Profile.Sending.THINNEST)
    decisions = [
        world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))) for twin in twins[:BASKETS]
    ]
    crowd = Crowd(twins[0])
    for decision in decisions:
        crowd.add(f"buyer of {decision.event_id}", partial(tasks.execute_decision, str(decision.pk)))
    pauses = iter(range(10**9))

    def paused() -> None:
        """Messages about the event that nobody trades, from its last market to its first, against the order of a scan."""
        number = next(pauses)
        ticker, kind = twins[-1].markets[-1 - number % 3], ("deactivated", "activated")[number // 3 % 2]
        body = {"market_ticker": ticker, "event_type": kind, "is_deactivated": kind == "deactivated"}
        store([to_message(frame(body), f"epoch-{number}", 5)])
        lifecycle.apply_waiting()

    actors: dict[str, Callable[[], object]] = {
        "sweeper": tasks.sweep,
        "inbox": tasks.apply_messages,
        "reconciler": tasks.reconcile_books,
        "settler": tasks.settle,
        "mover": tasks.move_capital,
        "scanner": lambda: scan(twins[0].client()),
        "lifecycle": paused,
        "seller": _sell_the_first,
        "pruner": console.prune,
        "books": partial(_published, twins),
    }
    for name, work in actors.items():
        crowd.add(name, work)
    assert crowd.run(_all_is_answered, 120), _what_is_there()
    assert crowd.errors == []
    assert sum(races.lost for races in crowd.races) > BASKETS
    assert sum(races.cut for races in crowd.races) > 0 or database.vendor != "postgresql"
    for _ in range(3):
        live_readiness.require_reconciliation()
        tasks.sweep()
        tasks.settle()
        reconcile.run("live", "test")
    assert _all_is_answered(), _what_is_there()
    assert Position.objects.filter(status__in=("open", "closed")).exists(), _what_is_there()
    assert list(Discrepancy.objects.filter(resolved_at=None).values_list("code", "key", "ours", "theirs")) == []
    assert account_state.at_any_moment(internal_state(twins[0].exchange, {"orders"})["orders"]) == []
    assert selectors.exchange_difference() == 0
    assert balance_check.summary(profile)["difference"] == 0
    ours = {leg.market_id: leg.held for one in Position.objects.all() for leg in one.legs.all() if leg.held}
    assert ours == twins[0].held()
    assert Market.objects.filter(event__in=[twin.row for twin in twins]).count() == 3 * len(twins)


def _published(twins: list[Twin]) -> None:
    for twin in twins:
        twin.sync()


def _all_is_answered() -> bool:
    """Every decision has its position, at rest, or its denial."""
    waiting = Decision.objects.filter(position=None, denial=None)
    return not waiting.exists() and not Position.objects.filter(status__in=MOVING).exists()


def _what_is_there() -> list[object]:
    denied = list(Decision.objects.values_list("event_id", "denial__code"))
    return [*denied, *((one.event_id, one.status, one.residual_code) for one in Position.objects.all())]


def _sell_the_first() -> None:
    first = Position.objects.order_by("event_id").first()
    if first is not None and first.status == "open":
        exits.request_exit(position_id=first.pk, actor="ann", reason="out", below_floor="a person said so")
        tasks.exit_position(first.pk)
