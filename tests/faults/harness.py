"""One run of a seed: a world, a decision, a worker that dies and comes back, an exchange that misbehaves, and the end."""

from __future__ import annotations

import io
import random
import re
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
import time_machine

from kalbot.common import cache, clock
from kalbot.common.db import instances
from kalbot.common.units import PPM
from markets.models import Event, ExchangeMessage, Market
from markets.streaming.output.inbox import Message, store
from simulator.control import timetable
from simulator.listing import lifecycle
from strategies.models import Decision, Profile
from tests.faults import families, invariants, wire
from tests.faults import lived as lives
from tests.faults import quoted as quotes
from tests.faults.death import Mortal
from tests.faults.harsh import Harsh, draw_harsh, with_history, with_odd_lots, with_subaccount
from tests.faults.rows import clear
from tests.faults.schedule import Levels, Schedule, draw
from tests.faults.story import describe
from tests.faults.strikes import strike
from tests.trading import world
from tests.trading.twin import SIGNED_AT, Twin, TwinSession, fill_message
from trading import sweeper
from trading.closing import exit_counts, exits, settlement
from trading.execution import executor
from trading.execution.sizing import walk
from trading.models import WORKING, Discrepancy, ExchangeAccount, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.safety import halt, live_readiness, resolution
from trading.venues import connection

UUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROUNDS = 8
APART = 1
"""The subaccount of a profile that buys the same."""
SIGNATURE_MS = 30_000
"""How far the time of signing may lie from the exchange's own."""
A_DAY = 86_400
FINE, TAPERED = [[0, 10_000, 10]], [[0, 1_000, 10], [1_000, 9_000, 100], [9_000, 10_000, 10]]
"""Grids of a tenth of a cent: everywhere, and at the ends."""
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
    harsh: Harsh
    funded: int
    """Cash at the exchange before anything happened, micro-dollars."""
    second: Twin | None = None
    requests: int = 0
    stepped: float = 0.0
    """Seconds by which the wall clock was set: the monotonic one knows nothing of it."""
    late: list[Message] = attribute(default_factory=list)
    seen: int = 0
    log: list[str] = attribute(default_factory=list)
    disturbed: bool = False
    wrong: set[str] = attribute(default_factory=set)
    """Markets whose result the exchange will take back."""

    @property
    def rng(self) -> random.Random:
        return self.plan.rng

    @property
    def twins(self) -> list[Twin]:
        return [self.twin] if self.second is None else [self.twin, self.second]

    def sync(self) -> None:
        for twin in self.twins:
            twin.sync()

    def shift(self, seconds: float) -> None:
        """Time passes, for the exchange too: what it has planned happens when it is due, not at the next request."""
        pieces = 1 if seconds > A_DAY else max(1, int(seconds / 5))
        for _ in range(pieces):
            self.time.shift(seconds / pieces)
            if seconds >= 1:
                self.move_exchange()
                self.twin.exchange.advance()
                self.twin.exchange.commit()

    def move_exchange(self) -> None:
        """The exchange's clock is as far as time has passed: nobody steps that one, whatever is done to the machine's."""
        self.twin.exchange.clock.move_to(clock.now_ms() - round(self.stepped * 1_000))

    def step(self, seconds: float) -> None:
        """Somebody sets the machine's clock."""
        self.note(f"the clock is set by {seconds:g} s")
        self.stepped += seconds
        self.time.shift(seconds)

    @property
    def story(self) -> list[str]:
        """The log with every id by its first appearance: ids name rows, whose numbers go on from run to run."""
        seen: dict[str, int] = {}
        return [UUIDS.sub(lambda one: f"id {seen.setdefault(one[0], len(seen))}", line) for line in self.log]

    def note(self, text: str) -> None:
        self.log.append(f"{clock.now():%H:%M:%S.%f} {text}")


class RunClock:
    """The time of a run: the wall clock as it was set, a monotonic one, and waits that take no time of ours."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.time() - self.run.stepped

    def sleep(self, seconds: float) -> None:
        self.run.shift(seconds)


class Waitless(clock.SystemClock):
    """Of the start, before anything may go wrong: waits take no time at all, neither ours nor the run's."""

    def sleep(self, seconds: float) -> None: ...


class MortalSession(TwinSession):
    """The wire: counts requests, strikes the world between them, and lets the worker die before or after each."""

    run: Run

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        run = self.run
        run.requests += 1
        if request.method == "POST":
            wire.check_sending(run, request.url or "", request.body)
        run.move_exchange()
        run.mortal.boundary(f"before {request.method} {urlsplit(request.url or '').path}")
        fault = run.plan.at_request.pop(run.requests, None)
        if fault is not None:
            strike(run, fault)
        signed = request.headers.get(SIGNED_AT)
        if signed is not None and abs(self.exchange.now() - int(signed)) > SIGNATURE_MS:
            return self._too_old(request)
        try:
            answer = super().send(request, **kwargs)
        except requests.RequestException as error:
            run.note(f"{request.method} {urlsplit(request.url or '').path}: {error}")
            run.shift(5)
            run.mortal.boundary("after a time-out")
            raise
        run.note(f"{request.method} {urlsplit(request.url or '').path}: {answer.status_code} {answer.content[:600]!r}")
        wire.check_answer(run, answer.status_code, answer.content)
        run.shift(0.005)
        if run.harsh.follows and run.rng.random() < run.harsh.follows:
            run.sync()
        run.mortal.boundary(f"after {request.method}")
        return answer

    def _too_old(self, request: requests.PreparedRequest) -> requests.Response:
        """The exchange refuses what was signed too long ago, or by a clock that differs too much."""
        self.run.note(f"{request.method} {urlsplit(request.url or '').path}: signed too long ago")
        response = requests.Response()
        response.status_code = 401
        response.headers["Date"] = format_datetime(clock.from_ms(self.exchange.now()), usegmt=True)
        response.raw = io.BytesIO(b'{"error":{"code":"header_timestamp_expired","message":"header timestamp expired"}}')
        return response


def run(
    seed: int,
    troubles: Sequence[str] = (),
    *,
    harsh: bool = False,
    quoted: bool = False,
    family: bool = False,
    lived: bool = False,
    archived: bool = False,
    odd: bool = False,
    beside: bool = False,
    apart: bool = False,
) -> Run:
    """Run one seed to its end and check everything. AssertionError names what does not hold.

    ``troubles`` are kinds of the simulator's own schedule of the seed (``simulator/faults/trouble.py``), on top of the harness's;
    ``harsh`` draws them and more (``tests/faults/harsh.py``), ``quoted`` too, for a basket whose legs rest (``tests/faults/quoted.py``),
    ``family`` for one across two events (``tests/faults/families.py``), both for one of which one leg rests. With ``lived`` people and
    results do something meanwhile (``tests/faults/lived.py``); with ``archived`` what has ended is soon in the exchange's history alone,
    and nobody may be there for hours; with ``odd`` sizes and counts are of hundredths of a contract; with ``beside``
    people, results and other workers do something in the midst of a step; with ``apart`` a profile on another subaccount buys the same.
    """
    clear()
    for model in (Order, Decision):
        instances.new(model)  # the first of a process takes an id more, to see how the constructor makes it
    ids = random.Random(f"ids {seed}")
    _ids_from(lambda: uuid.UUID(int=ids.getrandbits(128), version=4))
    cache.prices().flushdb()
    plan, more = (
        families.draw_quoted_family(seed)
        if quoted and family
        else quotes.draw_quoted(seed)
        if quoted
        else families.draw_family(seed)
        if family
        else draw_harsh(seed)
        if harsh
        else (draw(seed), Harsh(troubles=tuple(troubles)))
    )
    if lived:
        more.acts = lives.draw_acts(seed)
    if apart:
        with_subaccount(seed, plan, more)
    if beside:
        more.beside = lives.draw_beside(seed)
    if odd:
        with_odd_lots(seed, plan, more)
    if archived:
        with_history(seed, more)
    with time_machine.travel(START, tick=False) as traveller:
        with clock.use(Waitless()):
            state = _world(plan, more, traveller)
        if more.troubles:
            tickers = [ticker for twin in state.twins for ticker in twin.markets]
            wanted = {"seed": seed, "for_ms": TROUBLED_MS, "kinds": list(more.troubles), "tickers": tickers}
            timetable.trouble(state.twin.exchange, wanted)
        try:
            with clock.use(RunClock(state)):
                _live(state)
                _end(state)
                invariants.check(state)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{describe(state)}") from error
        finally:
            connection.use(None)
            _ids_from(uuid.uuid4)
    return state


def _ids_from(source: Callable[[], uuid.UUID]) -> None:
    """Where new ids come from: the seed during a run, so that it can be repeated to the letter."""
    for model in (Order, Decision):
        field = model._meta.get_field("id")
        field.default = source
        field.__dict__.pop("_get_default", None)  # Django's own cache of it


def _world(plan: Schedule, harsh: Harsh, traveller: Any) -> Run:
    twin = Twin(manual=True, read_delay_ms=plan.read_delay_ms, seed=plan.seed)
    session = MortalSession(twin.exchange)
    twin.session = session
    second = None
    if plan.kind == "family":
        second = Twin("KXU-1", beside=twin)
        families.add_books(plan, twin, second)
    else:
        _list(twin, plan.books, harsh)
    world.active()
    profile = world.add_profile(
        "run",
        mode=plan.mode,
        min_profit=0,
        beside_foreign=harsh.beside_foreign,
        **({"kinds": ["family"]} if plan.kind == "family" else {}),
        **plan.profile,
    )
    if second is not None:
        decision = families.decide(profile, plan, twin, second)
    elif profile.quoting != "none":
        decision = quotes.decide(profile, twin, plan)
    else:
        decision = _decide(profile, twin, plan, harsh)
    if harsh.cash is not None:
        ledger = twin.exchange.ledger
        ledger.credit((0, twin.shard), harsh.cash - ledger.available((0, twin.shard)))
    if harsh.apart_round is not None:
        twin.exchange.ledger.credit((APART, twin.shard), 1_000 * world.DOLLAR)
        world.add_profile("apart", mode="live", subaccount=APART, min_profit=0, **plan.profile)
    state = Run(
        plan,
        twin,
        Mortal(plan.deaths),
        traveller,
        profile,
        decision,
        harsh,
        twin.cash(*twin.exchange.ledger.subaccounts()),
        second,
    )
    if harsh.second_round is not None:
        state.second = Twin("KXU-1", beside=twin)
        _list(state.second, plan.books, harsh)
    session.run = state
    state.mortal.beside = {
        number: partial(lives.act_beside, state, number, what) for number, what in harsh.beside.items()
    }
    state.mortal.freezes, state.mortal.on_freeze = dict(harsh.freezes), lambda seconds: _frozen(state, seconds)
    client = twin.client()
    client.transport.sleep, client.transport._seed = traveller.shift, plan.seed
    connection.use(client)
    live_readiness.require_reconciliation()
    state.sync()
    if harsh.starts_well:
        reconcile.run("live", "start")
    if harsh.collateral is not None:
        _return_collateral(state, harsh.collateral)
    if harsh.archived is not None:
        twin.exchange.config.account_historical_ms, twin.exchange.config.markets_historical_ms = harsh.archived
    for terms in plan.exchange:
        twin.exchange.faults.add(**terms)
    return state


def _return_collateral(run: Run, choices: dict[str, bool]) -> None:
    """It is on, at the exchange and here, before anything is bought."""
    for twin in run.twins:
        Event.objects.filter(pk=twin.row.pk).update(collateral_return_type="MECNET")
        twin.row.refresh_from_db()
    for name, value in choices.items():
        setattr(run.twin.exchange.config, name, value)
    run.twin.exchange.ledger.set_option("netting:0", "1")
    learnt = {name: choices[f"netting_{name}"] for name in ("yes_counts", "whole_cents")}
    mode = ExchangeAccount.Collateral.ON
    account = ExchangeAccount.objects.filter(subaccount=0)
    assert account.update(collateral=mode, collateral_reading=learnt) == 1


def _list(twin: Twin, books: list[tuple[Levels, Levels]], harsh: Harsh) -> None:
    for bids, asks in books:
        ticker = twin.add_market(bids, asks)
        if harsh.fine or harsh.tapered:
            grid = FINE if harsh.fine else TAPERED
            twin.exchange.markets[ticker].ranges = grid
            Market.objects.filter(ticker=ticker).update(price_bands=grid)


def _decide(profile: Profile, twin: Twin, plan: Schedule, harsh: Harsh) -> Decision:
    """A decision whose limit prices are those that a strategy would take from the books: the level that the count reaches."""
    side = "no" if plan.kind == "all_no" else "yes"
    markets = twin.markets[:-1] if plan.kind == "coverage" and plan.outcomes > 2 else twin.markets
    shares = dict(zip(markets, harsh.shares or (1,) * len(markets), strict=False))
    counts = {ticker: plan.count * share for ticker, share in shares.items()}
    books = twin.books()
    limits = {t: _reached(books[t][0] if side == "no" else books[t][1], counts[t]) for t in markets}
    if len(set(counts.values())) == 1 and not harsh.shares:
        return world.decide(profile, twin.row, limits, plan.count, plan.kind, side)
    legs = [{"ticker": t, "side": side, "count": counts[t], "limit_price": limits[t]} for t in markets]
    cost = sum(walk.most_for(limits[t], counts[t], world.FEES) for t in markets)
    floor = 10_000 * (sum(counts.values()) - max(counts.values()))
    sums = {"cost": cost, "max_cost": cost, "floor": floor, "guaranteed": floor > cost}
    return world.decide(profile, twin.row, limits, max(counts.values()), plan.kind, side, legs=legs, **sums)


def _reached(other_side: world.Levels, count: int) -> int:
    """The price of the level that buying ``count`` reaches; a dollar's complement where there is none."""
    price = 9_900
    for level, size in other_side:
        price, count = 10_000 - level, count - size
        if count <= 0:
            break
    return price


def _frozen(run: Run, seconds: float) -> None:
    """The worker is stopped (SIGSTOP, a closed lid); meanwhile the others go on, and it knows nothing of it when it wakes."""
    run.note(f"frozen for {seconds:g} s")
    run.disturbed = True
    run.shift(seconds)
    run.sync()
    _frames(run)
    inbox.apply_waiting()
    sweeper.sweep()
    run.note("awake")


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
        run.shift(run.rng.choice((0.3, 1.0, 3.0, 50.0)))
        if run.harsh.away is not None and run.harsh.away[0] == number:
            run.note(f"nobody is there for {run.harsh.away[1]} h")
            run.shift(run.harsh.away[1] * 3_600)
        if number in run.harsh.steps:
            run.step(run.harsh.steps[number])
        if run.plan.mode == "sim" or run.rng.random() < 0.8:
            run.sync()
        if run.profile.quoting != "none":
            quotes.flow(run)
            quotes.change_by_hand(run)
            quotes.check_now(run)
        _frames(run)
        lives.act(run, number)
        if run.plan.exit_round == number:
            _ask_for_exit(run, in_parts=True)
        if run.second is not None and run.harsh.second_round == number:  # a family has no second round
            other = world.add_profile("second", mode="live", min_profit=0, **run.plan.profile)
            second = _decide(other, run.second, run.plan, run.harsh)
            with run.mortal.life():
                executor.execute(second.pk)
        if run.harsh.apart_round == number:
            apart = _decide(Profile.objects.get(name="apart"), run.twin, run.plan, run.harsh)
            with run.mortal.life():
                executor.execute(apart.pk)
        with run.mortal.life():
            inbox.apply_waiting()
            sweeper.sweep()
        if run.rng.random() < 0.3:
            with run.mortal.life():
                reconcile.run(run.plan.mode, "schedule")


def _end(run: Run) -> None:
    """The trouble is over: the exchange behaves, books are full, trading is allowed; everything must come to rest."""
    run.mortal.deaths.clear()
    run.mortal.freezes.clear()
    run.mortal.beside.clear()
    run.plan.at_request.clear()
    exchange = run.twin.exchange
    if run.stepped:
        run.step(-run.stepped)  # somebody sets the clock right: what it signs is accepted again
    exchange.faults.clear()
    timetable.clear(exchange, {})
    for stale in ("read_delay_ms", "stale_cache_ms", "stale_books_ms", "stale_account_ms"):
        setattr(exchange.config, stale, run.plan.read_delay_ms if stale == "read_delay_ms" else 0)
    exchange.state.trading_shards.clear()
    lives.correct_all(run)
    Profile.objects.update(is_active=True)
    live_readiness.require_reconciliation()
    halt.set_state(state="active", actor="end", reason="the run is over")
    for profile in Profile.objects.all():
        halt.set_state(state="active", actor="end", reason="the run is over", profile=profile)
    tickers = [ticker for twin in run.twins for ticker in twin.markets]
    closed = [t for t in tickers if exchange.markets[t].status not in ("active", "inactive")]
    for ticker in tickers:
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
        run.shift(3 * 86_400 if not closed else 60)
        run.move_exchange()
        exchange.advance()
        value = 3_333 if run.plan.ending == "scalar" else None
        if run.plan.kind == "family":
            families.finish(run)
        else:
            for twin in run.twins:
                _finish(run, twin, value)
        if run.plan.mode == "sim":
            for ticker in tickers:
                done = exchange.markets[ticker]
                Market.objects.filter(ticker=ticker).update(
                    status="finalized", result=done.result, settlement_value_e6=(done.settlement_value or 0) * 100
                )
        run.shift(5)
        settlement.run()
        _settle_down(run, 6)
        settlement.run()
        sweeper.sweep()
    sweeper.sweep()  # the next one takes the names of late fills back that the last one dealt with
    reconcile.run(run.plan.mode, "end")
    if run.harsh.has_actor or run.harsh.acts or run.harsh.beside:
        _answer_discrepancies(run)


def _finish(run: Run, twin: Twin, value: int | None) -> None:
    """Every market ends that has not: the first outcome wins, or each pays ``value``."""
    for ticker in twin.markets:
        if run.twin.exchange.markets[ticker].status != "finalized":
            twin.settle(ticker, "scalar" if value is not None else lives.true_result(run, ticker), value)


def _answer_discrepancies(run: Run) -> None:
    """A person ends what is open by its own action; what the others did is then in the books, and they agree again."""
    for _ in range(3):
        rows = list(Discrepancy.objects.filter(resolved_at=None))
        for row in rows:
            with suppress(resolution.CannotResolve):
                resolution.resolve(row.pk, actor="operator", reason="somebody else traded on the account")
        _settle_down(run, 6)  # what the others did may have set a position to work again
        sweeper.sweep()
        reconcile.run(run.plan.mode, "end")
        if not rows and not Discrepancy.objects.filter(resolved_at=None).exists():
            return


def _settle_down(run: Run, rounds: int) -> None:
    for _ in range(rounds):
        run.shift(61)
        run.sync()
        _frames(run)
        inbox.apply_waiting()
        sweeper.sweep()
        settlement.run()
        if not sweeper.due_positions() and not _working():
            return


def _working() -> bool:
    return Position.objects.filter(status__in=WORKING).exists()


def _ask_for_exit(run: Run, *, in_parts: bool = False) -> None:
    for position in Position.objects.filter(status="open"):
        _ask_for_exit_of(run, position, _part(run, position) if in_parts else None)


def _ask_for_exit_of(run: Run, position: Position, counts: dict[tuple[str, str], int] | None) -> None:
    words = "less than the floor is accepted" if run.plan.seed % 3 else ""
    try:
        exits.request_exit(
            position_id=position.pk,
            actor="harness",
            reason="the schedule says so",
            counts=counts,
            below_floor=words,
        )
    except exits.CannotExit as refused:
        run.note(f"exit refused: {refused}")


def _part(run: Run, position: Position) -> dict[tuple[str, str], int] | None:
    """Some schedules exit in part: a share of every leg, or where a person's words allow that, of one leg alone."""
    draw = random.Random(f"part {run.plan.seed} {position.exit_requests.count()}")
    if draw.random() < 0.5:
        return None
    legs = list(position.legs.all())
    counts = exit_counts.of_share(legs, position.target_count, draw.randrange(1, PPM), position.profile.count_step)
    if counts and run.plan.seed % 3 == 1:
        return dict([draw.choice(sorted(counts.items()))])
    return counts or None


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
