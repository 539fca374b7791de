"""What a profile decided while a tape was recorded, beside what the replay of that tape decides: matched, and every difference counted.

Profiles on paper are replayed each by itself, as each has an exchange of its own; the live ones of an account together, because what one
of them took or bid was not there for the others.

Decisions are matched by event and kind, the nearest in time. A decision that only one side took is explained by what the other side knew of
the event then: its last verdict, or that it, or another profile of the account, had a basket of it already. One that both took otherwise is
explained by the books that each was taken on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Any, Final

from backtest.options import WHOLE, Options, checked, columns_of
from backtest.replay import session
from backtest.replay.engine import JUDGED_AGAIN
from backtest.replay.turns import SAME_NS
from backtest.studies.recorded import MS, measured_latency, milliseconds, quoted_at, recorded_run
from kalbot.common import clock, messages
from strategies.cycle.claims import CLAIMED_FOR
from strategies.models import Decision, Mode, Profile, Verdict
from trading.models import ExchangeAccount
from trading.venues.replay import Latency

WINDOW_MS: Final = SAME_NS // MS
CYCLE_MS: Final = 1_000  # what a cycle begins by its end
SUMS: Final = ("decisions", "spent", "profit")
DECIDING: Final = (JUDGED_AGAIN, messages.SCREEN)


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
    books: tuple[int, ...] = ()
    """When the newest book of each leg had come (Unix ms)."""
    denied: str = ""
    """The code with which trading refused it."""
    is_quote: bool = False

    @property
    def markets(self) -> frozenset[tuple[str, str]]:
        """What is bought, whatever the counts and prices."""
        return frozenset((ticker, side) for ticker, side, _, _ in self.legs)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two decisions of one opportunity; one of them is missing where only one side took it. ``why``: of a difference; ``cause``: its
    kind."""

    recorded: Taken | None
    replayed: Taken | None
    why: str = ""
    cause: str = ""

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
    def causes(self) -> Counter[str]:
        """Kind of difference -> how many."""
        return Counter(pair.cause for pair in self.pairs if pair.outcome != "same")

    @property
    def agreement(self) -> float | None:
        """Which share of the decisions of either side are the same to the contract and the price; None without any."""
        return self.counts["same"] / len(self.pairs) if self.pairs else None

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
            "causes": dict(sorted(self.causes.items())),
            "agreement": self.agreement,
            "median_delay_ms": median(delays) if delays else None,
            "pairs": [asdict(pair) | {"outcome": pair.outcome} for pair in self.pairs],
        }


def exchanges(profiles: Sequence[Profile]) -> list[list[Profile]]:
    """Which of ``profiles`` are replayed together: those of the live account in one run, each one on paper in a run of its own."""
    live = [profile for profile in profiles if profile.mode == Mode.LIVE]
    return [*([live] if live else []), *([profile] for profile in profiles if profile.mode != Mode.LIVE)]


def compare(options: Options, profiles: Sequence[Profile]) -> list[Compared]:
    """Replay ``options``' tape as ``profiles``, which share an exchange, and set their decisions beside those of the database."""
    live = profiles[0].mode == Mode.LIVE
    latency = measured_latency(profiles)
    wanted = replace(options, latency=Latency(*latency), **(_of_account(profiles) if live else {}))
    runs = {profile.name: recorded_run(profile) for profile in profiles}
    with session.open_run(wanted, session.records_of(wanted), runs) as running:
        running.feed.hides_own = live
        engine, seen = running.engine, _Seen()
        engine.on_task = seen.after
        engine.run()
        since, until = clock.from_ms(engine.first_ns // MS), clock.from_ms(engine.last_ns // MS)
        replayed = {name: _taken(Decision.objects.filter(profile__name=name)) for name in runs}
    recorded = {
        profile.name: _taken(Decision.objects.filter(profile=profile, created_at__range=(since, until)))
        for profile in profiles
    }
    return [_compared(profile, latency, recorded, replayed, seen) for profile in profiles]


def _of_account(profiles: Sequence[Profile]) -> dict[str, Any]:
    """The options of a run of live profiles together: columns, and the cash that the account began with."""
    account = ExchangeAccount.objects.filter(subaccount=0).first()
    columns = []
    for profile in profiles:
        returned = ExchangeAccount.objects.filter(
            subaccount=profile.subaccount or 0, collateral=ExchangeAccount.Collateral.ON
        )
        of_account = {"subaccount": profile.subaccount or 0, "collateral_return": returned.exists()}
        columns.append(checked(columns_of(profile) | of_account))
    cash = {} if account is None else account.opening_shards or {WHOLE: account.opening}
    return {"profile": columns[0], "beside": tuple(columns[1:]), "cash": cash}


def _compared(
    profile: Profile,
    latency: tuple[float, float, float],
    recorded: Mapping[str, list[Taken]],
    replayed: Mapping[str, list[Taken]],
    seen: _Seen,
) -> Compared:
    """One profile's part. ``recorded`` and ``replayed``: decisions by profile, of all that share its exchange."""
    name = profile.name
    found = Compared(name, latency)
    for one, other in matched(recorded[name], replayed[name]):
        cause = why = ""
        if one is not None and other is not None:
            cause, why = ("", "") if one.legs == other.legs else unlike(one, other)
        elif one is not None:
            cause, why = taken_before(replayed, name, one) or seen.at(name, one.event, one.at_ms + WINDOW_MS // 3)
        elif other is not None:
            refused = (f"denied: {other.denied}", f"the replay denied it: {other.denied}") if other.denied else None
            cause, why = refused or taken_before(recorded, name, other) or known_then(profile, other)
        found.pairs.append(Pair(one, other, why, cause))
    return found


def unlike(one: Taken, other: Taken) -> tuple[str, str]:
    """Kind and words of what makes two decisions of one opportunity differ: the books that they were taken on, or else what money and
    the other profiles left."""
    if one.markets == other.markets and one.books == other.books:
        return "the same books, other money", "both were taken on the same books"
    newer = max(one.books, default=0) - max(other.books, default=0)
    which = f"by books {abs(newer)} ms {'newer' if newer > 0 else 'older'}" if newer else "by other books of that time"
    return "other books", f"the recorded one was taken {which}"


def taken_before(taken: Mapping[str, Iterable[Taken]], profile: str, one: Taken) -> tuple[str, str] | None:
    """Kind and words where that side had decided on the event before: the profile itself, or another one of its account."""
    for name in sorted(taken, key=lambda each: (each != profile, each)):
        reach = WINDOW_MS if name == profile else round(CLAIMED_FOR.total_seconds() * 1000)
        earlier = [each for each in taken[name] if each.event == one.event and each.at_ms <= one.at_ms + reach]
        if earlier and name == profile:
            return "it had a basket", f"had a basket of it since {_clock(earlier[0].at_ms)}"
        if earlier:
            return "another of the account had it", f"{name} had taken it at {_clock(earlier[0].at_ms)}"
    return None


def known_then(profile: Profile, one: Taken) -> tuple[str, str]:
    """Kind and words of why the recorded profile did not take ``one``, as far as rows say so: of an event they hold the last verdict."""
    quoted = quoted_at(profile, one.at_ms + CYCLE_MS) if one.is_quote else []
    if quoted and len(quoted) >= profile.max_quotes:
        return "as many quotes as it may", f"it quoted {', '.join(quoted)} at {_clock(one.at_ms)}"
    row = Verdict.objects.filter(profile=profile, event_id=one.event).first()
    if row is None:
        return "verdict: none", "it had no verdict there"
    if row.live_at is not None and abs(milliseconds(row.live_at) - one.at_ms) <= WINDOW_MS:
        return f"verdict: {row.live_constraint}", f"its verdict there: {row.live_constraint} ({row.live_value})"
    return "not known", "no row says any more what it thought of the event then"


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


def _taken(rows: Any) -> list[Taken]:
    found = []
    for row in rows.select_related("position", "denial").order_by("created_at"):
        position = getattr(row, "position", None)
        spent = sum(leg.bought_cost for leg in position.legs.all()) if position is not None else 0
        legs = tuple(sorted((leg["ticker"], leg["side"], leg["count"], leg["limit_price"]) for leg in row.legs))
        at_ms = milliseconds(row.created_at)
        profit = 0 if position is None else position.realised
        books = tuple(leg["receive_ms"] for leg in sorted(row.legs, key=lambda leg: (leg["ticker"], leg["side"])))
        refused = getattr(getattr(row, "denial", None), "code", "")
        found.append(
            Taken(at_ms, row.event_id, row.kind, legs, row.cost, spent, profit, books, refused, bool(row.quote))
        )
    return found


def _clock(at_ms: int) -> str:
    moment: datetime = clock.from_ms(at_ms)
    return f"{moment:%H:%M:%S}"


class _Seen:
    """What the replay last said of each event to each profile, at each moment at which that changed."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], list[tuple[int, str, str]]] = {}

    def after(self, task: str) -> None:
        """A task of the replay has run."""
        if task not in DECIDING:
            return
        columns = ("profile__name", "event_id", "constraint", "value", "live_constraint", "live_value")
        for profile, event, screened, value, live, live_value in Verdict.objects.values_list(*columns):
            code = screened or live or "candidate"
            said = f"{screened} ({value})" if screened else f"{code} ({live_value})"
            history = self._said.setdefault((profile, event), [])
            if not history or history[-1][2] != said:
                history.append((clock.now_ms(), code, said))

    def at(self, profile: str, event: str, at_ms: int) -> tuple[str, str]:
        """Kind and words of the verdict on ``event`` then."""
        known = [(code, said) for when, code, said in self._said.get((profile, event), []) if when <= at_ms]
        if not known:
            return "no verdict yet", "the replay had no verdict yet"
        return f"verdict: {known[-1][0]}", f"the replay's verdict: {known[-1][1]}"
