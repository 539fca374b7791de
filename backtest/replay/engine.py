"""The loop of a replay: records of the tape and the product's tasks, in the order of their times, one after the other.

Tasks are run by name as workers would run them, from the same messages; what beat starts periodically is started here at the same
intervals, but only while something came that it could see. One task runs at a time, which is naive: a busy machine has several workers.
Where a recorded run is judged again, tasks overlap as they did then (``beside``).

Beat's cycle judges every candidate again every few seconds. Here it does so every five minutes, for the reasons that people read and
the episodes of near misses, and in between on those events alone that could pay by the stream's own screen (``all_in``), which never
leaves out one that does. That screen knows neither coverage, which is a bet, nor quotes: a profile that allows either has every cycle
in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

from backtest.replay import batches
from backtest.replay.agenda import Agenda, Job
from backtest.replay.beside import Beside
from backtest.replay.clock import SECOND, SimulatedClock
from backtest.replay.feed import Feed
from backtest.replay.moves import Moves
from backtest.replay.turns import Judged, Recorded, RecordedTurns
from kalbot.common import clock, messages
from markets import prices
from markets.catalogue import families
from markets.models import Scan
from markets.tape.records import Record
from markets.watchlist import quoted
from strategies.catalogue import settling
from strategies.cycle import cycle
from strategies.models import Decision, Kind, Profile
from strategies.screening import screening, watchlist
from trading import sweeper
from trading.closing import settlement
from trading.execution import executor
from trading.models import Position, PositionStatus
from trading.quoted import idle
from trading.quoted import records as quote_records
from trading.tasks import reprice
from triage import agent

SCREEN_SECONDS: Final = 120
"""Screening follows each scan; a tape without scans is screened as often as a new installation scans."""
CYCLE_SECONDS: Final = 3
FULL_CYCLE_SECONDS: Final = 300
"""Well within the time after which an episode of a near miss counts as ended (``screening.FORGOTTEN``)."""
SWEEP_SECONDS: Final = 2
SETTLE_SECONDS: Final = 5
ASSESS_SECONDS: Final = 15
COUNT_QUOTES_SECONDS: Final = 60
LEARN_SETTLING_SECONDS: Final = 21_600
"""The intervals that a new installation has."""
LISTED_SECONDS: Final = 10
"""How often at most a pass that goes on listing events is screened: prices are old after fifteen."""
PASSED: Final = ("after a pass",)
JUDGING: Final = (messages.SCREEN, messages.RUN_CYCLE)
"""Tasks that make candidates."""
BEGINNING: Final = (messages.EXECUTE_DECISION, messages.EXIT_POSITION, messages.REPRICE, messages.REPLACE_QUOTE)
"""Tasks after which a sweep may find work."""
COUNTING: Final = (messages.SWEEP, messages.SETTLE)
"""The same of those that say how much they did."""
JUDGED_AGAIN: Final = "a recorded cycle"
GOES_ON: Final = "a task that waited"
TASK_NS: Final = 5_000_000
"""From a message to the task that it starts: broker and worker."""
AFTER_END_NS: Final = 600 * SECOND
"""How long after the last record work goes on: what was begun ends as it would without prices."""
NEVER: Final = 2**63


class Engine:
    """Runs a tape through the product. ``run`` returns when tape and tasks are at their end."""

    def __init__(
        self,
        records: Iterator[Record],
        feed: Feed,
        simulated: SimulatedClock,
        start_ns: int = 0,
        cycle_seconds: int = CYCLE_SECONDS,
        recorded: Mapping[str, Recorded] | None = None,
    ) -> None:
        """``recorded``: by profile, a run that is judged again, when it was then and at no other time."""
        self._records, self._feed, self._clock = records, feed, simulated
        self._next: Record | None = next(records, None)
        self._agenda = Agenda()
        self._moves = Moves(
            feed.books, feed.catalogue, lambda at, name, event: self._agenda.add(at + TASK_NS, name, (event,))
        )
        self._full_cycle_ns, self._screened_ns = 0, -NEVER
        self._sweep_ns = 0
        """When the next sweep is; the last one, where none is scheduled."""
        self._start_ns, self._cycle_seconds, self._holds = start_ns, cycle_seconds, False
        self._is_idle = True  # something periodic may have to be scheduled: a job ran since the last record
        self.first_ns, self.last_ns = max(start_ns, simulated.time_ns()), simulated.time_ns()
        self.records = 0
        self.ran: Counter[str] = Counter()
        self.on_task: Callable[[str], None] = lambda name: None  # called with the name of each that has run
        simulated.advance = self.advance
        self._beside = Beside(lambda at, number: self._agenda.add(at, GOES_ON, (number,)))
        self._recorded, self._follows = recorded, recorded is None
        of = recorded or {}
        self._screens = not any(one.screenings for one in of.values())
        cycles = [(name, judged) for name, one in of.items() for judged in one.cycles]
        for number, (_, judged) in enumerate(cycles):
            if judged.begins_ns >= self.first_ns:
                self._agenda.add(judged.begins_ns, JUDGED_AGAIN, (number,))
        for name, at in [(name, at) for name, one in of.items() for at in one.screenings]:
            self._agenda.add(at, messages.SCREEN, ("recorded", at, name))
        self._do: dict[str, Callable[..., object]] = {
            messages.SCREEN: self._screen,
            messages.RUN_CYCLE: self._cycle,
            JUDGED_AGAIN: lambda number: self._again(*cycles[number]),
            messages.EVALUATE_EVENT: lambda *events: cycle.run(cycle.NUDGE, events),
            messages.EXECUTE_DECISION: executor.execute,
            messages.EXIT_POSITION: executor.step,
            messages.REPRICE: reprice,
            messages.REPLACE_QUOTE: idle.replace,
            messages.COUNT_QUOTES: quote_records.refresh,
            messages.LEARN_SETTLING: settling.learn,
            messages.SWEEP: lambda at: sweeper.sweep(forgotten=recorded is None),
            messages.SETTLE: settlement.run,
            messages.ASSESS: lambda: agent.assess_positions(agent.open_position_ids()),
        }

    def run(self, progress: Callable[[int], None] = lambda at: None) -> None:
        """To the end. ``progress`` is called with the present time (ns) after every task."""
        try:
            while True:
                jobs = self._agenda.jobs
                self._take(NEVER, jobs)
                if not jobs or (self._next is None and jobs[0][0] > self.last_ns + AFTER_END_NS):
                    return
                self._run(*self._agenda.pop())
                progress(self._clock.time_ns())
        finally:
            self._beside.close()

    def _run(self, at: int, name: str, args: tuple[Any, ...]) -> None:
        self._is_idle = True
        self._clock.set(at)
        self._feed.before_task()
        if name == GOES_ON:
            self._beside.resume(*args)
        elif self._follows:
            self._ended(name, self._do[name](*args))
        else:
            self._beside.start(partial(self._do[name], *args), partial(self._ended, name))

    def _ended(self, name: str, did: object) -> None:
        self.ran[name] += 1
        if name in JUDGING:
            self._moves.candidates = None
        self._after(name, begins_work=name in BEGINNING or (name in COUNTING and bool(did)))
        self.on_task(name)

    def deliver(self, name: str, args: tuple[Any, ...]) -> None:
        """A message of the product: its task runs a moment later. What no task of a replay is for is dropped."""
        if name in self._do:
            at = self._clock.time_ns()
            if name == messages.EXECUTE_DECISION and self._recorded is not None:
                event, profile = Decision.objects.values_list("event_id", "profile__name").get(pk=args[0])
                at = self._recorded[profile].takes_up(event, at)
            self._agenda.add(at + TASK_NS, name, args)

    def advance(self, until_ns: int) -> None:
        """Let the tape run to ``until_ns`` while a task sleeps. Other tasks run meanwhile where they overlap."""
        if not self._beside.wait(until_ns):
            self._take(until_ns, ())
            self._clock.set(until_ns)
            self._feed.catalogue.flush()

    def _take(self, until_ns: int, jobs: Sequence[Job]) -> None:
        """Apply the records until ``until_ns``, at most to the first of ``jobs``. The inner loop of a replay."""
        record, feed, start_ns, is_planned = self._next, self._feed, self._start_ns, self._follows

        def limit_ns() -> int:
            return min(until_ns, jobs[0][0]) if jobs else until_ns

        def follow(at: int) -> int:
            self._moves.follow(at, is_planned and at >= start_ns)
            return limit_ns()

        inner = batches.Inner(feed, self._records, self._clock.set, follow, self._moves.is_far, start_ns)
        while record is not None and record.received_ns <= (limit := limit_ns()):
            at, count, record = inner.apply(record, limit, alone=self._is_idle)
            self.records += count
            self.last_ns, self._next = at, record
            if at >= start_ns and (self._is_idle or feed.is_noteworthy):  # before it nothing is done
                self._plan(at)

    def _plan(self, at: int) -> None:
        """Schedule what is started periodically, and what follows from a record that is more than prices."""
        feed = self._feed
        feed.is_noteworthy = feed.scanned is None and feed.catalogue.listed
        if self._is_idle:
            self._is_idle = False
            if feed.scanned is None and self._screens:
                self._screen_passes(at)
            if self._follows:
                self._agenda.every(at, self._cycle_seconds, messages.RUN_CYCLE)
            self._agenda.every(at, LEARN_SETTLING_SECONDS, messages.LEARN_SETTLING)
            if self._quotes:
                self._agenda.every(at, COUNT_QUOTES_SECONDS, messages.COUNT_QUOTES)
            if self._holds:
                self._agenda.every(at, ASSESS_SECONDS, messages.ASSESS)
        elif feed.scanned is None and self._screens and feed.catalogue.listed:
            self._screen_passes(at)
        if feed.scanned:
            feed.scanned = False
            if self._screens:
                self._agenda.add(at + TASK_NS, messages.SCREEN, ("after a scan",))
        if feed.catalogue.settled:
            feed.catalogue.settled = False
            self._agenda.every(at, SETTLE_SECONDS, messages.SETTLE)

    def _again(self, profile: str, judged: Judged) -> None:
        """A profile's part of a recorded cycle, in full."""
        trigger, events = (cycle.NUDGE, judged.nudged) if judged.nudged else (cycle.BEAT, None)
        cycle.run(trigger, events, turns=lambda row: RecordedTurns(row, judged, self.advance), only=profile)

    def _cycle(self) -> None:
        """Beat's cycle: in full now and then, in between on what could pay."""
        now_ns = self._clock.time_ns()
        if self._is_blind or now_ns >= self._full_cycle_ns:
            self._full_cycle_ns = now_ns + FULL_CYCLE_SECONDS * SECOND
            cycle.run()
        elif self._moves.could_pay:
            events = sorted(self._moves.could_pay)
            watchlist.refresh(screening.active_profiles(), prices.reader(), events)
            cycle.run(cycle.NUDGE, events)

    @cached_property
    def _is_blind(self) -> bool:
        """Whether a profile wants what the screen of best prices does not see."""
        covers = any(Kind.COVERAGE in one.kinds for one in screening.active_profiles())
        return covers or self._quotes or self._buys_families

    @cached_property
    def _quotes(self) -> bool:
        return any(one.quoting != Profile.Quoting.NONE for one in screening.active_profiles())

    @cached_property
    def _buys_families(self) -> bool:
        """Whether events are grouped, as each complete scan does: only where somebody would buy across them."""
        return any(Kind.FAMILY in one.kinds for one in screening.active_profiles())

    def _screen_passes(self, at: int) -> None:
        """A tape without scans is screened at the usual interval, and a moment after what comes behind a pause or lists events: whoever
        recorded a pass had fetched just then what it says, and a while later its prices are old."""
        pause = LISTED_SECONDS if self._feed.catalogue.listed else SCREEN_SECONDS
        if at - self._screened_ns >= pause * SECOND:
            if not self._agenda.has(messages.SCREEN, PASSED):
                self._agenda.add(at + SECOND, messages.SCREEN, PASSED)
        else:
            self._agenda.every(at, SCREEN_SECONDS, messages.SCREEN)

    def _after(self, name: str, *, begins_work: bool) -> None:
        """Work that was begun goes on by itself; what is open is assessed when something comes.

        Beat sweeps every two seconds. Here it sweeps after what may have left something to do, and when rows say that something is due:
        a sweep between them finds nothing.
        """
        if name in (messages.SCREEN, messages.RUN_CYCLE, messages.EVALUATE_EVENT, JUDGED_AGAIN):
            return
        now_ns = self._clock.time_ns()
        due = sweeper.next_due()
        if begins_work:
            self._sweep(now_ns)
        elif due is not None:
            self._sweep(max(now_ns, round(due.timestamp() * 1_000_000) * 1_000 - 1))
        self._holds = Position.objects.filter(status=PositionStatus.OPEN).exists()
        if self._quotes:
            self._moves.quoted = quoted()

    def _sweep(self, after_ns: int) -> None:
        """Sweep at the first of beat's moments after ``after_ns``, if none is scheduled that comes before."""
        period = SWEEP_SECONDS * SECOND
        at = (after_ns // period + 1) * period
        if at < self._sweep_ns or self._sweep_ns <= self._clock.time_ns():
            self._sweep_ns = at
            self._agenda.add(at, messages.SWEEP, (at,))

    def _screen(self, why: str = "", at: int = 0, profile: str = "") -> None:
        if why in ("", *PASSED) and self._feed.scanned is not None:
            return  # scheduled before the first scan came
        if not why and self._agenda.has(messages.SCREEN, PASSED):
            return  # a pass begins just now, and is screened when it is a second old
        self._screened_ns, self._feed.catalogue.listed = self._clock.time_ns(), False
        now = clock.now()
        scan = Scan.objects.create(started_at=now, finished_at=now, status=Scan.Status.DONE)
        if self._buys_families:
            families.refresh()
        screening.screen(scan.pk, profile)
        if why in PASSED and self._follows:  # nothing may come any more that begins a cycle while the pass is fresh
            self._agenda.every(self._clock.time_ns(), self._cycle_seconds, messages.RUN_CYCLE)
