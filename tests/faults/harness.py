"""One run of a seed: a world, a decision, a worker that dies and comes back, an exchange that misbehaves, and the end."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import time_machine

from kalbot.common import cache, clock
from markets.models import ExchangeMessage, Market
from markets.streaming.output.inbox import Message, store
from simulator.control import timetable
from simulator.listing import lifecycle
from strategies.models import Decision, Profile
from tests.faults import invariants
from tests.faults.death import Mortal
from tests.faults.rows import clear
from tests.faults.schedule import Schedule, draw
from tests.trading import world
from tests.trading.twin import Twin, TwinSession, fill_message
from trading import exits, inbox, reconcile, settlement, sweeper
from trading.execution import executor
from trading.models import Order, Position
from trading.safety import halt, live_readiness
from trading.venues import connection

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROUNDS = 8
TROUBLED_MS = 20_000
"""How long the simulator's own troubles are drawn for."""


@dataclass
class Run:
    """Everything of one run."""

    plan: Schedule
    twin: Twin
    mortal: Mortal
    time: Any
    profile: Profile
    decision: Decision
    requests: int = 0
    late: list[Message] = attribute(default_factory=list)
    seen: int = 0
    log: list[str] = attribute(default_factory=list)
    disturbed: bool = False

    @property
    def rng(self) -> random.Random:
        return self.plan.rng

    def note(self, text: str) -> None:
        self.log.append(f"{clock.now():%H:%M:%S.%f} {text}")


class MortalSession(TwinSession):
    """The wire: counts requests, strikes the world between them, and lets the worker die before or after each."""

    run: Run

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        run = self.run
        run.requests += 1
        self.exchange.clock.set(max(clock.now_ms(), self.exchange.now()))  # type: ignore[attr-defined]
        run.mortal.boundary(f"before {request.method} {urlsplit(request.url or '').path}")
        fault = run.plan.at_request.pop(run.requests, None)
        if fault is not None:
            strike(run, fault)
        if request.method == "POST":
            invariants.check_budget(run, request.body)
        try:
            answer = super().send(request, **kwargs)
        except requests.RequestException as error:
            run.note(f"{request.method} {urlsplit(request.url or '').path}: {error}")
            run.time.shift(5)
            run.mortal.boundary("after a time-out")
            raise
        run.note(f"{request.method} {urlsplit(request.url or '').path}: {answer.status_code} {answer.content[:160]!r}")
        run.time.shift(0.005)
        run.mortal.boundary(f"after {request.method}")
        return answer


def run(seed: int, troubles: Sequence[str] = ()) -> Run:
    """Run one seed to its end and check everything. AssertionError names what does not hold.

    ``troubles`` are kinds of the simulator's own schedule of the seed (``simulator/faults/trouble.py``), on top of the harness's.
    """
    clear()
    ids = random.Random(f"ids {seed}")
    _ids_from(lambda: uuid.UUID(int=ids.getrandbits(128), version=4))
    cache.prices().flushdb()
    plan = draw(seed)
    with time_machine.travel(START, tick=False) as traveller:
        state = _world(plan, traveller)
        if troubles:
            wanted = {"seed": seed, "for_ms": TROUBLED_MS, "kinds": list(troubles), "tickers": state.twin.markets}
            timetable.trouble(state.twin.exchange, wanted)
        sleep, clock.sleep = clock.sleep, lambda seconds: traveller.shift(seconds)
        try:
            _live(state)
            _end(state)
            invariants.check(state)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{describe(state)}") from error
        finally:
            clock.sleep = sleep
            connection.use(None)
            _ids_from(uuid.uuid4)
    return state


def _ids_from(source: Callable[[], uuid.UUID]) -> None:
    """Where new ids come from: the seed during a run, so that it can be repeated to the letter."""
    for model in (Order, Decision):
        field = model._meta.get_field("id")
        field.default = source
        field.__dict__.pop("_get_default", None)  # Django's own cache of it


def _world(plan: Schedule, traveller: Any) -> Run:
    twin = Twin(manual=True, read_delay_ms=plan.read_delay_ms, seed=plan.seed)
    session = MortalSession(twin.exchange)
    twin.session = session
    for bids, asks in plan.books:
        twin.add_market(bids, asks)
    world.active()
    profile = world.add_profile("run", mode=plan.mode, min_profit=0, **plan.profile)
    limits, side = _limits(plan, twin)
    decision = world.decide(profile, twin.row, limits, plan.count, plan.kind, side)
    state = Run(plan, twin, Mortal(plan.deaths), traveller, profile, decision)
    session.run = state
    client = twin.client()
    client.transport.sleep, client.transport._seed = traveller.shift, plan.seed
    connection.use(client)
    live_readiness.require_reconciliation()
    twin.sync()
    for terms in plan.exchange:
        twin.exchange.faults.add(**terms)
    return state


def _limits(plan: Schedule, twin: Twin) -> tuple[dict[str, int], str]:
    """Limit prices as a strategy would take them from the books: the level that the count reaches."""
    side = "no" if plan.kind == "all_no" else "yes"
    limits = {}
    markets = twin.markets[:-1] if plan.kind == "coverage" and plan.outcomes > 2 else twin.markets
    for ticker in markets:
        yes, no = twin.books()[ticker]
        levels, left, price = (yes if side == "no" else no), plan.count, 0
        for level, size in levels:
            price, left = 10_000 - level, left - size
            if left <= 0:
                break
        limits[ticker] = price
    return limits, side


def _live(run: Run) -> None:
    """The worker's life: execute, then rounds of what the tasks do, dying and coming back as the schedule says."""
    with run.mortal.life():
        executor.execute(run.decision.pk)
    for number in range(ROUNDS):
        fault = run.plan.at_round.get(number)
        if fault is not None:
            strike(run, fault)
        if run.mortal.died_at:
            live_readiness.require_reconciliation()
        run.time.shift(run.rng.choice((0.3, 1.0, 3.0, 50.0)))
        if run.plan.mode == "sim" or run.rng.random() < 0.8:
            run.twin.sync()
        _frames(run)
        if run.plan.exit_round == number:
            _ask_for_exit(run)
        with run.mortal.life():
            inbox.apply_waiting()
            sweeper.sweep()
        if run.rng.random() < 0.3:
            with run.mortal.life():
                reconcile.run(run.plan.mode, "schedule")


def _end(run: Run) -> None:
    """The trouble is over: the exchange behaves, books are full, trading is allowed; everything must come to rest."""
    run.mortal.deaths.clear()
    run.plan.at_request.clear()
    exchange = run.twin.exchange
    exchange.faults.clear()
    timetable.clear(exchange, {})
    for stale in ("read_delay_ms", "stale_cache_ms", "stale_books_ms", "stale_account_ms"):
        setattr(exchange.config, stale, run.plan.read_delay_ms if stale == "read_delay_ms" else 0)
    exchange.state.trading_shards.clear()
    live_readiness.require_reconciliation()
    halt.set_state(state="active", actor="end", reason="the run is over")
    halt.set_state(state="active", actor="end", reason="the run is over", profile=run.profile)
    closed = [t for t in run.twin.markets if exchange.markets[t].status not in ("active", "inactive")]
    for ticker in run.twin.markets:
        market = exchange.markets[ticker]
        if market.status == "inactive":
            lifecycle.resume(exchange, market)
        if ticker not in closed:
            run.twin.cancel_makers(ticker, "bid")
            run.twin.quote(ticker, "bid", 3_000, 100_000)
            run.twin.quote(ticker, "ask", 9_000, 100_000)
    if run.plan.ending == "exit":
        _ask_for_exit(run)
    _settle_down(run, 12)
    if closed or run.plan.ending in ("settle", "scalar"):
        run.time.shift(3 * 86_400 if not closed else 60)
        exchange.clock.set(max(clock.now_ms(), exchange.now()))  # type: ignore[attr-defined]
        exchange.advance()
        value = 3_333 if run.plan.ending == "scalar" else None
        run.twin.finish(winner=run.twin.markets[0], value=value)
        if run.plan.mode == "sim":
            for ticker in run.twin.markets:
                done = exchange.markets[ticker]
                Market.objects.filter(ticker=ticker).update(
                    status="finalized", result=done.result, settlement_value_e6=(done.settlement_value or 0) * 100
                )
        run.time.shift(5)
        settlement.run()
        _settle_down(run, 6)
        settlement.run()
    reconcile.run(run.plan.mode, "end")


def _settle_down(run: Run, rounds: int) -> None:
    for _ in range(rounds):
        run.time.shift(61)
        run.twin.sync()
        _frames(run)
        inbox.apply_waiting()
        sweeper.sweep()
        settlement.run()
        if not sweeper.due_positions() and not _working():
            return


def _working() -> bool:
    return Position.objects.filter(status__in=sweeper.WORKING).exists()


def _ask_for_exit(run: Run) -> None:
    position = Position.objects.filter(decision=run.decision, status="open").first()
    if position is None:
        return
    words = "less than the floor is accepted" if run.plan.seed % 3 else ""
    try:
        exits.request_exit(position_id=position.pk, actor="harness", reason="the schedule says so", below_floor=words)
    except exits.CannotExit as refused:
        run.note(f"exit refused: {refused}")


def _frames(run: Run) -> None:
    """Deliver the fill messages that the exchange sent: some lost, some twice, some late and out of order."""
    fills = run.twin.exchange.ledger.fills
    new = [fill_message(fill) for fill in fills[run.seen :]] + run.late
    run.seen, run.late = len(fills), []
    run.rng.shuffle(new)
    for message in new:
        chance = run.rng.random()
        if chance < run.plan.frames["drop"]:
            continue
        if run.rng.random() < run.plan.frames["late"]:
            run.late.append(message)
            continue
        store([message])
        if run.rng.random() < run.plan.frames["duplicate"]:
            ExchangeMessage.objects.filter(key=message.key).update(applied_at=None)


def strike(run: Run, fault: str) -> None:
    """Change the world in the middle of things."""
    exchange, rng = run.twin.exchange, run.rng
    ticker = rng.choice(run.twin.markets)
    market = exchange.markets[ticker]
    run.note(f"strikes: {fault} {ticker}")
    run.disturbed = True
    if fault == "pause":
        lifecycle.pause(exchange, market)
    elif fault == "close" and market.status == "active":
        market.close_ms = exchange.now()
        lifecycle.close_market(exchange, market)
        Market.objects.filter(ticker=ticker).update(status="closed")
    elif fault == "tick":
        market.ranges = [[0, 10_000, 500]]
    elif fault == "shard_halt":
        exchange.state.trading_shards.add(run.twin.shard)
    elif fault == "halt":
        halt.set_state(state="halted", actor="schedule", reason="kill switch")
    elif fault == "reduce":
        halt.set_state(state="reducing", actor="schedule", reason="kill switch", profile=run.profile)
    elif fault == "thin":
        for side in ("bid", "ask"):
            _thin(run, ticker, side)
    elif fault == "vanish":
        run.twin.cancel_makers(ticker, rng.choice(("bid", "ask")))
    elif fault == "worse":
        run.twin.cancel_makers(ticker, "ask")
        run.twin.quote(ticker, "ask", 9_500, 1_000)
    elif fault == "crash":
        run.twin.cancel_makers(ticker, "bid")
        run.twin.quote(ticker, "bid", 100, 5_000)
    elif fault == "stale":
        run.time.shift(20)
    elif fault == "dead_epoch":
        world.publish(run.twin.event, run.twin.books(), lease=None)


def _thin(run: Run, ticker: str, side: str) -> None:
    book = run.twin.exchange.books[ticker]
    for order in list(book.orders(side)):
        if order.order_id.startswith("h") and order.remaining > 50:
            book.reduce(order, order.remaining - 50)


def describe(run: Run) -> str:
    """Everything a person needs to see what happened."""
    position = Position.objects.filter(decision=run.decision).first()
    lines = [repr(run.plan), f"deaths {run.mortal.died_at}", *run.log[-60:]]
    denial = getattr(run.decision, "denial", None) if position is None else None
    if denial is not None:
        lines.append(f"denied: {denial.code} {denial.detail}")
    if position is not None:
        lines += [f"{e.at:%H:%M:%S} {e.from_status}->{e.to_status} {e.reason} {e.data}" for e in position.events.all()]
        lines += [
            f"{o.created_at:%H:%M:%S} {o} {o.purpose} {o.status} {o.error_code} reported {o.reported_fill_count} filled {o.filled_count}"
            for o in position.orders.order_by("created_at")
        ]
        lines += [
            f"{leg} bought {leg.bought_count} sold {leg.sold_count} settled {leg.settled_count}"
            for leg in position.legs.all()
        ]
    return "\n".join(lines)
