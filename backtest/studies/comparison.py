"""What a profile decided while a tape was recorded, beside what the replay of that tape decides: matched, and every difference counted.

Decisions are matched by event and kind, the nearest in time. A decision that only one side took is explained by what the other side knew of
the event then: its last verdict, or that it had a basket of it already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from statistics import median, quantiles
from typing import Any, Final

from django.conf import settings
from django.db.models import Case, F, When
from django.db.models.functions import Coalesce

from backtest.options import Options
from backtest.replay import session
from backtest.replay.engine import JUDGED_AGAIN
from backtest.replay.turns import SAME_NS, Judged, Recorded
from kalbot.common import clock, messages
from kalbot.common.trace import Stage
from strategies.cycle.claims import CLAIMED_FOR
from strategies.cycle.cycle import BEAT
from strategies.models import Cycle, Decision, Mode, Profile, Screening, Verdict
from trading.models import Order
from trading.venues.replay import Latency

IMMEDIATE: Final = "immediate_or_cancel"
MS: Final = 1_000_000
"""Nanoseconds."""
WINDOW_MS: Final = SAME_NS // MS
SUMS: Final = ("decisions", "spent", "profit")
DECIDING: Final = (JUDGED_AGAIN, messages.SCREEN)


class CyclesUnknown(ValueError):
    """The cycles of a database do not say when each profile was judged."""


Leg = tuple[str, str, int, int]
"""Market, side, count (1/100 contract), limit price (1/10,000 dollar)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One decision. Money in micro-dollars; ``spent``: what its orders bought for, fees included; ``profit``: what was booked of it."""

    at_ms: int
    event: str
    kind: str
    legs: tuple[Leg, ...]
    cost: int
    spent: int
    profit: int

    @property
    def markets(self) -> frozenset[tuple[str, str]]:
        """What is bought, whatever the counts and prices."""
        return frozenset((ticker, side) for ticker, side, _, _ in self.legs)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two decisions of one opportunity; one of them is missing where only one side took it. ``why``: of a difference."""

    recorded: Taken | None
    replayed: Taken | None
    why: str = ""

    @property
    def outcome(self) -> str:
        """same, counts or prices, legs, only recorded, only replayed."""
        if self.replayed is None:
            return "only recorded"
        if self.recorded is None:
            return "only replayed"
        if self.recorded.legs == self.replayed.legs:
            return "same"
        return "counts or prices" if self.recorded.markets == self.replayed.markets else "legs"


@dataclass(slots=True)
class Compared:
    """One profile. ``latency_ms``: p10, p50, p90 of its recorded orders, and what the replay used."""

    profile: str
    latency_ms: tuple[float, float, float]
    pairs: list[Pair] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """Outcome -> how many."""
        return Counter(pair.outcome for pair in self.pairs)

    @property
    def delays_ms(self) -> list[int]:
        """By how much the recorded decision came later than the replayed one."""
        both = [(p.recorded, p.replayed) for p in self.pairs]
        return [a.at_ms - b.at_ms for a, b in both if a is not None and b is not None]

    def sums(self, name: str) -> tuple[int, int, int]:
        """Decisions of one side (recorded, replayed), what was spent and what was booked: micro-dollars."""
        taken: list[Taken] = [one for pair in self.pairs if (one := getattr(pair, name)) is not None]
        return len(taken), sum(one.spent for one in taken), sum(one.profit for one in taken)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        delays = self.delays_ms
        return {
            "profile": self.profile,
            "latency_ms": self.latency_ms,
            "recorded": dict(zip(SUMS, self.sums("recorded"), strict=True)),
            "replayed": dict(zip(SUMS, self.sums("replayed"), strict=True)),
            "counts": dict(sorted(self.counts.items())),
            "median_delay_ms": median(delays) if delays else None,
            "pairs": [asdict(pair) | {"outcome": pair.outcome} for pair in self.pairs],
        }


def compare(options: Options, profile: Profile) -> Compared:
    """Replay ``options``' tape as ``profile`` and set its decisions beside those of the database."""
    found = Compared(profile.name, measured_latency(profile))
    wanted = replace(options, latency=Latency(*found.latency_ms))
    with session.open_run(wanted, session.records_of(wanted), recorded_run(profile)) as running:
        running.feed.hides_own = profile.mode == Mode.LIVE
        engine, seen = running.engine, _Seen()
        engine.on_task = seen.after
        engine.run()
        first_ms, last_ms = engine.first_ns // 10**6, engine.last_ns // 10**6
        replayed = _taken(Decision.objects.all())
    since, until = clock.from_ms(first_ms), clock.from_ms(last_ms)
    rows = Decision.objects.filter(profile=profile, created_at__gte=since, created_at__lte=until)
    recorded = _taken(rows)
    last = dict(Verdict.objects.filter(profile=profile).values_list("event_id", "live_constraint"))
    for one, other in matched(recorded, replayed):
        why = ""
        if other is None and one is not None:
            why = _held(replayed, one) or seen.at(one.event, one.at_ms + WINDOW_MS // 3)
        elif one is None and other is not None:
            why = _held(recorded, other) or claimed_by_another(profile, other)
            why = why or f"its last verdict there: {last.get(other.event) or 'none'}"
        found.pairs.append(Pair(one, other, why))
    return found


def recorded_run(profile: Profile) -> Recorded:
    """When ``profile`` was screened and judged and its decisions were taken up, by the database. Raises CyclesUnknown."""
    screened = Screening.objects.filter(profile=profile).order_by("at")
    wrote = [_ms(row.at) - row.duration_ms for row in screened]
    taken_up: dict[str, list[tuple[int, int]]] = {}
    began = Coalesce("position__created_at", "denial__at")
    rows = Decision.objects.filter(profile=profile).annotate(began=began).exclude(began=None)
    for event, decided, at in rows.values_list("event_id", "created_at", "began"):
        taken_up.setdefault(event, []).append((_ms(decided) * MS, _ms(at) * MS))
    waits = [at - decided for pairs in taken_up.values() for decided, at in pairs]
    usual = round(median(waits)) if waits else 0
    return Recorded(recorded_cycles(profile), [at * MS for at in wrote], taken_up, usual)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def recorded_cycles(profile: Profile) -> list[Judged]:
    """The cycles of the database in which ``profile`` was judged: beat's, and nudged ones in which something paid for it.

    The stream's prices reach a cycle a moment after they came, so what was decided on is read again when the newest price behind it had
    come, or at once where that was before its profile's turn. Raises CyclesUnknown for cycles of a version that did not say whose turn
    it was.
    """
    behind = _prices_behind(profile)
    found = []
    for row in Cycle.objects.order_by("started_at"):
        if row.candidates and not row.turns:
            raise CyclesUnknown(f"The cycle of {row.started_at:%Y-%m-%d %H:%M:%S} UTC does not say whom it judged.")
        mine = row.turns.get(str(profile.pk))
        if mine is None or (row.trigger != BEAT and not mine["events"]):
            continue
        began = _ms(row.started_at)
        events = {
            event: next((came for read, came in behind.get(event, ()) if read >= began + after), began + after)
            for event, after in mine["events"].items()
        }
        turn = began + mine["after_ms"]
        nudged = () if row.trigger == BEAT else tuple(sorted(events))
        moments = {event: at * MS for event, at in events.items()}
        found.append(Judged((began + row.prices_after_ms) * MS, turn * MS, moments, nudged))
    return found


def _prices_behind(profile: Profile) -> dict[str, list[tuple[int, int]]]:
    """Event -> (time of a decision, of the newest price behind it) in their order, Unix milliseconds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in Decision.objects.filter(profile=profile).order_by("created_at").only("event_id", "trace"):
        decided, received = (row.trace[stage.value] // 1000 for stage in (Stage.DECIDED, Stage.RECEIVED))
        found.setdefault(row.event_id, []).append((decided, received + 1))
    return found


def matched(recorded: Sequence[Taken], replayed: Sequence[Taken]) -> list[tuple[Taken | None, Taken | None]]:
    """Pairs in the order of their times; the nearest of the same event and kind within ``WINDOW_MS`` belong together."""
    near = sorted(
        (abs(one.at_ms - other.at_ms), i, j)
        for i, one in enumerate(recorded)
        for j, other in enumerate(replayed)
        if (one.event, one.kind) == (other.event, other.kind) and abs(one.at_ms - other.at_ms) <= WINDOW_MS
    )
    of: dict[int, int] = {}
    for _, i, j in near:
        if i not in of and j not in of.values():
            of[i] = j
    pairs: list[tuple[Taken | None, Taken | None]] = [
        (one, replayed[of[i]] if i in of else None) for i, one in enumerate(recorded)
    ]
    pairs += [(None, other) for j, other in enumerate(replayed) if j not in of.values()]
    return sorted(pairs, key=lambda pair: (pair[0] or pair[1] or _NEVER).at_ms)


_NEVER: Final = Taken(0, "", "", (), 0, 0, 0)


def measured_latency(profile: Profile) -> tuple[float, float, float]:
    """Milliseconds from an order's sending to the exchange's first word on it, p10, p50 and p90: the end of an immediate order, the
    beginning of one that rests; a little more than it takes to reach the book. Paper orders take what the settings say."""
    if profile.mode == Mode.SIM:
        return (float(settings.PAPER_LATENCY_MS),) * 3
    rows = Order.objects.filter(profile=profile, sent_at__isnull=False)
    ended = Case(When(time_in_force=IMMEDIATE, then=F("ended_at")))
    moments = rows.annotate(answered=Coalesce(F("rested_at"), ended)).values_list("sent_at", "answered")
    took = [(at - sent).total_seconds() * 1000 for sent, at in moments if sent is not None and at is not None]
    if len(took) < 2:
        return (float(settings.PAPER_LATENCY_MS),) * 3
    tenths = quantiles(took, n=10)
    return round(tenths[0], 1), round(tenths[4], 1), round(tenths[8], 1)


def _taken(rows: Any) -> list[Taken]:
    found = []
    for row in rows.select_related("position").order_by("created_at"):
        position = getattr(row, "position", None)
        spent = sum(leg.bought_cost for leg in position.legs.all()) if position is not None else 0
        legs = tuple(sorted((leg["ticker"], leg["side"], leg["count"], leg["limit_price"]) for leg in row.legs))
        at_ms = _ms(row.created_at)
        profit = 0 if position is None else position.realised
        found.append(Taken(at_ms, row.event_id, row.kind, legs, row.cost, spent, profit))
    return found


def _held(taken: Iterable[Taken], one: Taken) -> str:
    """Whether that side had decided on the event before."""
    earlier = [other for other in taken if other.event == one.event and other.at_ms <= one.at_ms + WINDOW_MS]
    return f"had a basket of it since {_clock(earlier[0].at_ms)}" if earlier else ""


def claimed_by_another(profile: Profile, one: Taken) -> str:
    """Which other live profile had taken what the replay, which is alone, took; empty where none had. On paper each is alone too."""
    at = clock.from_ms(one.at_ms)
    live = Decision.objects.filter(mode=Mode.LIVE, event_id=one.event).exclude(profile=profile)
    row = live.filter(created_at__range=(at - CLAIMED_FOR, at + CLAIMED_FOR)).order_by("created_at").first()
    if profile.mode != Mode.LIVE or row is None:
        return ""
    return f"{row.profile.name} took it at {_clock(_ms(row.created_at))}"


def _clock(at_ms: int) -> str:
    moment: datetime = clock.from_ms(at_ms)
    return f"{moment:%H:%M:%S}"


class _Seen:
    """What the replay last said of each event, at each moment at which that changed."""

    def __init__(self) -> None:
        self._said: dict[str, list[tuple[int, str]]] = {}

    def after(self, task: str) -> None:
        """A task of the replay has run."""
        if task not in DECIDING:
            return
        columns = ("event_id", "constraint", "value", "live_constraint", "live_value")
        for event, screened, value, live, live_value in Verdict.objects.values_list(*columns):
            said = f"{screened} ({value})" if screened else f"{live or 'candidate'} ({live_value})"
            history = self._said.setdefault(event, [])
            if not history or history[-1][1] != said:
                history.append((clock.now_ms(), said))

    def at(self, event: str, at_ms: int) -> str:
        """The verdict on ``event`` then."""
        known = [said for when, said in self._said.get(event, []) if when <= at_ms]
        return f"the replay's verdict: {known[-1]}" if known else "the replay had no verdict yet"
