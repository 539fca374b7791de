"""Family certificates: may the markets of several events, or of one ladder, be bought together, and in which ways can they settle?

Only where one value settles all of them. So every market of every member event must be read completely (the same readings as for one
event's certificate, or the forms that a person registered), what its rule says beside the strike must be the same in all, all series
must have one registered terms document with a clause of common determination, and shard and expiry must be one (a date ladder's dates
expire each at its own). Whatever is missing is named, so that a person can register it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markets.terms.atoms import Atoms, Fallback
from markets.terms.facts import EventFacts, rules_hash
from markets.terms.family_members import MemberRead, read_member
from markets.terms.grades import Grade
from markets.terms.reading.forms import Measure
from markets.terms.reading.meanings import Meaning
from markets.terms.reading.rules import NotRead, one_rest
from markets.terms.reading.strikes import Interval
from markets.terms.registry.entry import NO_DATA_MEANS, RegisteredTerms

SETTLED_TOGETHER: Final = frozenset(
    {Meaning.NOTHING, Meaning.ONE_WINS, Meaning.REGULATION, Meaning.ALL_NO, Meaning.ANY_NO, Meaning.DISCRETION}
)
"""What the rules of a member may say beside its condition; anything else needs states that a family does not have."""


@dataclass(frozen=True, slots=True)
class Member:
    """One event of a family. ``shard``: where its orders go; ``closes_ms`` and ``expires_ms``: Unix milliseconds."""

    facts: EventFacts
    terms: RegisteredTerms | None
    shard: int
    closes_ms: int | None
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class FamilyCertificate:
    """One value settles these markets. ``intervals``: ticker -> the values for which it resolves Yes; ``nobody``: all may resolve No;
    ``any_no``: any may resolve No by itself. ``rules_hashes``: event -> what it was given for."""

    intervals: Mapping[str, Interval]
    nobody: bool
    any_no: bool
    grade: Grade
    rest: str
    terms: RegisteredTerms
    rules_hashes: Mapping[str, str]
    dated: bool = False
    fallback: Fallback | None = None

    @property
    def atoms(self) -> Atoms:
        """The values that distinguish its markets. AtomError where a market takes none."""
        return Atoms.of(
            self.intervals, nobody=self.nobody, any_no=self.any_no, dated=self.dated, fallback=self.fallback
        )


@dataclass(frozen=True, slots=True)
class FamilyRefusal:
    """No family certificate: ``code`` for statistics, ``sentence`` for a person."""

    code: str
    sentence: str


def certify_family(members: Sequence[Member]) -> FamilyCertificate | FamilyRefusal:
    """A certificate for these events together, or the one clause that is missing. Never raises for odd facts."""
    try:
        return _certified(members)
    except NotRead as refused:
        return FamilyRefusal(refused.code, str(refused))


def _certified(members: Sequence[Member]) -> FamilyCertificate:
    if len(members) < 2 and not is_ladder(members):
        raise NotRead(
            "too_few_events", "A family has two events or more, or one whose outcomes do not exclude each other."
        )
    terms = common_terms([(member.facts.series_ticker, member.terms) for member in members])
    reads = [read_member(member.facts, terms) for member in members]
    _one_moment(members, dated=any(read.measure is Measure.DAY for read in reads))
    intervals: dict[str, Interval] = {}
    meanings: dict[Meaning, str] = {}
    for read in reads:
        if twice := intervals.keys() & read.intervals.keys():
            raise NotRead("duplicate_leg", f"{min(twice)} is listed twice.")
        intervals |= read.intervals
        meanings |= read.meanings
    one_rest([read.rest for read in reads])
    _distinguished(members, reads)
    if len({read.source for read in reads}) > 1:
        raise NotRead("source_differs", "The members are settled by different sources.")
    if len(frozenset().union(*(read.units for read in reads))) > 1:
        raise NotRead("measures_differ", "The margins of the members are counted in different units.")
    if len({Meaning.REGULATION in read.meanings for read in reads}) > 1:
        raise NotRead("rules_differ", "Some members say what counts as regulation time, others do not.")
    no_data = NO_DATA_MEANS[terms.no_data]
    if (
        not terms.approved or Meaning.DISCRETION in no_data
    ):  # nobody said what takes the place of a value that is missing
        no_data = (*no_data, *reads[0].no_data)
    said = {*meanings, *no_data}
    fallbacks = [read.fallback for read in reads if read.fallback is not None]
    if len(fallbacks) > 1:
        raise NotRead("state_not_covered", "In several members a named market wins in a case of its own.")
    strange = said - SETTLED_TOGETHER - ({Meaning.NAMED_WINS} if fallbacks else set())
    if strange:
        raise NotRead("state_not_covered", f"The rules allow {', '.join(sorted(strange))}: no family covers that.")
    return FamilyCertificate(
        intervals,
        Meaning.ALL_NO in said or Meaning.ANY_NO in said,
        Meaning.ANY_NO in said,
        Grade.GUARANTEED if terms.approved and Meaning.DISCRETION not in said else Grade.IF_DETERMINED,
        reads[0].rest,
        terms,
        {member.facts.event_ticker: rules_hash(member.facts) for member in members},
        dated=all(read.measure is Measure.DAY for read in reads),
        fallback=fallbacks[0] if fallbacks else None,
    )


def is_ladder(members: Sequence[Member]) -> bool:
    """Whether one event is a family by itself: several thresholds of one value, of which more than one may resolve Yes."""
    return len(members) == 1 and not members[0].facts.mutually_exclusive and len(members[0].facts.markets) > 1


def common_terms(registered: Sequence[tuple[str, RegisteredTerms | None]]) -> RegisteredTerms:
    """The one entry of all members (series, its terms), with a clause of common determination. Raises NotRead."""
    found: list[RegisteredTerms] = []
    for series, terms in registered:
        if terms is None:
            raise NotRead("terms_missing", f"No terms are registered for {series}.")
        found.append(terms)
    first = found[0]
    if any((terms.url, terms.fingerprint) != (first.url, first.fingerprint) for terms in found):
        raise NotRead("terms_differ", "The members have different terms documents.")
    if not first.common_determination.strip():
        raise NotRead(
            "common_determination", "The registered terms have no clause by which one value settles all markets."
        )
    return first


def _distinguished(members: Sequence[Member], reads: Sequence[MemberRead]) -> None:
    """Raises NotRead where two events of one series have a market for the same values. The exchange does not list one contract twice: what
    distinguishes them (the second game of a day, say) is nowhere in what was read."""
    listed: dict[tuple[str, Interval], str] = {}
    for member, read in zip(members, reads, strict=True):
        event, series = member.facts.event_ticker, member.facts.series_ticker
        for interval in set(read.intervals.values()):
            other = listed.setdefault((series, interval), event)
            if other != event:
                raise NotRead(
                    "listed_twice", f"{other} and {event} say the same: nothing that is read distinguishes them."
                )


def _one_moment(members: Sequence[Member], *, dated: bool) -> None:
    """Raises NotRead unless all members lie on one shard, close at one time and expire at one time: dates of a ladder (``dated``) each
    at their own."""
    for name, values in (
        ("shard", {member.shard for member in members}),
        ("close time", {member.closes_ms for member in members}),
        ("expiry", {member.expires_ms for member in members}),
        ("expiry at the latest", {market.ends for member in members for market in member.facts.markets}),
    ):
        if None in values or (len(values) > 1 and not (dated and name != "shard")):
            raise NotRead(f"{name.split()[0]}_differs", f"The members do not have one {name}.")
    days = {member.facts.strike_date for member in members if member.facts.strike_date}
    if len(days) > 1 and not dated:  # each may agree with its rules, where an evening of theirs is the next day in UTC
        raise NotRead("strike_differs", f"The exchange dates the members differently: {', '.join(sorted(days))}.")
