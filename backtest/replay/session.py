"""One run in one process: everything of the product that reaches outside is put in its place, and taken out again."""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings

from backtest.options import WHOLE, Options
from backtest.replay.account import Cash
from backtest.replay.books import ReplayBooks, ReplayPrices
from backtest.replay.clock import SimulatedClock, in_place
from backtest.replay.database import in_memory
from backtest.replay.engine import Engine
from backtest.replay.feed import Feed
from backtest.replay.late_trades import LATEST_NS, LateTrades
from backtest.replay.turns import Recorded
from backtest.report.results import Result, collect
from kalbot.common import cache, messages
from markets import prices
from markets.tape.reader import Tape
from markets.tape.recorder import paused
from markets.tape.records import Record
from markets.terms.rules_file import read_rules
from strategies.catalogue import kept_whole
from strategies.cycle import candidates, concerned, estimates, event_cache, memo, near_misses, quote_records
from strategies.models import Profile
from strategies.screening import passing, verdict_rows, watchlist
from trading.execution import handed
from trading.limits import day
from trading.venues import account_limits, factory
from trading.venues.replay import ReplayVenue
from triage.learning import current

Records = Callable[[Options], Iterator[Record]]


def records_of(options: Options) -> Iterator[Record]:
    """The tape's records to the options' end, and what may hold trades that were made by then: those before the beginning are what was
    known then."""
    return Tape.open(options.tape).records(0, options.end_ns + (LATEST_NS if _quotes(options) else 0))


def _quotes(options: Options) -> bool:
    return any(one.get("quoting", Profile.Quoting.NONE) != Profile.Quoting.NONE for one in options.profiles)


@dataclass(slots=True)
class Run:
    """What a run is made of, while it stands."""

    engine: Engine
    feed: Feed
    venue: ReplayVenue


@contextmanager
def open_run(
    options: Options, records: Iterator[Record], recorded: Mapping[str, Recorded] | None = None
) -> Iterator[Run]:
    """A run that is ready to start, in a database of its own. ``recorded``: as ``Engine`` takes it."""
    unread = LateTrades(records, options.end_ns)
    if _quotes(options):
        records = unread
    first = next(records, None)
    start = first.received_ns if first is not None else max(0, options.start_ns)

    everything = records if first is None else chain((first,), records)
    simulated = SimulatedClock(start)
    with ExitStack() as stack:
        stack.enter_context(alone(options.tape, options.seed, simulated))
        books = ReplayBooks()
        source = ReplayPrices(books)
        stack.enter_context(prices.use(source))
        feed = Feed(books, source, options.touch_size, read_rules(options.rules), options.fees, options.fee_ppm)
        venue = ReplayVenue(books, options.latency, options.seed, options.queue)
        feed.on_print, feed.on_own_print, books.on_level = venue.on_print, venue.on_own_print, venue.on_level
        if _quotes(options):
            feed.counted.is_wanted = True
            venue.on_end = lambda: feed.unread(unread.unread(simulated.time_ns()))
        stack.enter_context(factory.use(venue))
        engine = Engine(everything, feed, simulated, options.start_ns, options.cycle_seconds, recorded)
        stack.enter_context(messages.deliver_to(engine.deliver))
        for columns in options.profiles:
            Profile.objects.create(**columns)
        if options.beside or options.cash:
            feed.on_task = Cash(_cash(options)).refresh
        yield Run(engine, feed, venue)


def _cash(options: Options) -> dict[int, dict[str, int]]:
    """Subaccount -> shard -> cash: as stated for the primary one, else what its profiles may spend."""
    found: dict[int, dict[str, int]] = {}
    for profile in Profile.objects.exclude(subaccount=None).order_by("pk"):
        of = found.setdefault(profile.subaccount or 0, {WHOLE: 0})
        of[WHOLE] += profile.capital
    return {**found, 0: dict(options.cash)} if options.cash else found


@contextmanager
def alone(tape: Path, seed: int, simulated: SimulatedClock) -> Iterator[None]:
    """This process works on a tape until the block ends: its clock, an empty database in memory, the exchange that was recorded."""
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_rare_collections())
        stack.enter_context(_exchange_of(tape))
        changes = stack.enter_context(in_memory(seed))
        stack.enter_context(kept_whole.while_unchanged(lambda: changes.count))
        stack.enter_context(cache.isolated())
        stack.enter_context(paused())
        stack.enter_context(in_place(simulated))
        _forget()
        stack.callback(_forget)
        random.seed(seed)
        yield


def run(options: Options, records: Records = records_of, progress: Callable[[int], None] = lambda at: None) -> Result:
    """Replay the options' tape and say what came of it."""
    with open_run(options, records(options)) as running:
        running.engine.run(progress)
        return collect(options, running.engine, running.feed, running.venue)


@contextmanager
def _exchange_of(tape: Path) -> Iterator[None]:
    """The settings name the exchange that was recorded: whose contract terms hold depends on it. Nothing is sent there."""
    about, before = Tape.open(tape).about, (settings.KALSHI_REST_URL, settings.KALSHI_WS_URL)
    recorded = tuple(str(about.get(name, "")) for name in ("exchange", "stream"))
    if all(recorded):
        settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = recorded
    try:
        yield
    finally:
        settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = before


def _forget() -> None:
    """The product remembers things between cycles; a run begins and ends with none of them."""
    candidates.forget()
    concerned.forget()
    event_cache.forget()
    memo.forget()
    near_misses.forget()
    quote_records.forget()
    estimates.forget()
    passing.forget()
    verdict_rows.forget()
    watchlist.forget()
    current.forget()
    account_limits.forget()
    day.forget()
    handed.forget()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A replay makes millions of objects and hardly a reference cycle; collecting those every 700 objects takes a fifth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _quiet() -> Iterator[None]:
    """A replay logs hundreds of days in minutes: only what goes wrong is worth a line, and the line says that no money is in it."""
    before, make = logging.root.manager.disable, logging.getLogRecordFactory()

    def of_replay(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.msg = f"in a replay: {record.msg}"
        if (record.levelno or 0) > logging.ERROR:  # those call for a person; a formatter makes records without a level
            record.levelno, record.levelname = logging.ERROR, logging.getLevelName(logging.ERROR)
        return record

    logging.disable(logging.WARNING)
    logging.setLogRecordFactory(of_replay)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
        logging.disable(before)
