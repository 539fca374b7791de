"""How much of a catalogue is certified: each event's grade on YES and NO, live from the rows or from a recorded snapshot."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markets.book import Side
from markets.models import Certificate, Event
from markets.terms.exhaustiveness import CERTIFICATE_VERSION, side_grade
from markets.terms.grades import Grade
from markets.terms.states import StateList
from strategies.catalogue.recorded import NOT_RECORDED, RECORDED, Snapshot


@dataclass(frozen=True, slots=True)
class Certified:
    """One exclusive event. ``yes``, ``no``: the surest grade of holding that side of every outcome, cost aside. ``rules``: where its
    texts come from; ``why``: of a refusal, its code ("" = certified, or not known)."""

    event: str
    category: str
    yes: Grade
    no: Grade
    rules: str
    why: str = ""

    @property
    def best(self) -> Grade:
        """The surer of both sides."""
        return self.yes if self.yes.meets(self.no) else self.no


def of_rows() -> Iterator[Certified]:
    """The open exclusive events of the catalogue, with the certificates that are in force."""
    columns = ("event_id", "status", "kind", "states", "grade", "rules_hash", "event__rules_hash", "reading")
    wanted = Certificate.objects.filter(
        event__is_open=True, status__in=[Certificate.Status.GRANTED, Certificate.Status.REFUSED]
    )
    rows = {row["event_id"]: row for row in wanted.values(*columns)}
    events = Event.objects.filter(is_open=True, mutually_exclusive=True).order_by("ticker")
    for ticker, category in events.values_list("ticker", "category").iterator(chunk_size=2_000):
        row = rows.get(ticker)
        stands = row is not None and (row["rules_hash"], row["reading"]) == (
            row["event__rules_hash"],
            CERTIFICATE_VERSION,
        )
        if row is not None and stands and row["status"] == Certificate.Status.GRANTED:
            try:
                states, grade = StateList.from_json(row["states"]), Grade(row["grade"])
            except ValueError as error:
                why = f"its certificate cannot be read: {error}"
            else:
                yield _certified(ticker, category, states, grade, RECORDED)
                continue
        else:
            why = row["kind"] if row is not None and stands else "not judged"
        yield Certified(ticker, category, Grade.CONDITIONAL, Grade.CONDITIONAL, RECORDED, why)


def of_snapshot(snapshot: Snapshot) -> Iterator[Certified]:
    """The exclusive events of a recorded snapshot; neither reviews nor registered terms are known there."""
    for event in sorted(snapshot.events.values(), key=lambda view: view.ticker):
        if not event.exclusive:
            continue
        rules = snapshot.rules_of(event.ticker)
        if event.states is None:
            why = "rules not recorded" if rules == NOT_RECORDED else "refused"
            yield Certified(event.ticker, event.category, Grade.CONDITIONAL, Grade.CONDITIONAL, rules, why)
        else:
            yield _certified(event.ticker, event.category, event.states, event.grade, rules)


def _certified(event: str, category: str, states: StateList, cap: Grade, rules: str) -> Certified:
    return Certified(event, category, side_grade(states, cap, Side.YES), side_grade(states, cap, Side.NO), rules)


def by_category(found: Iterable[Certified]) -> dict[str, Counter[Grade]]:
    """Category -> how many of its exclusive events have which grade on their surer side."""
    counted: dict[str, Counter[Grade]] = defaultdict(Counter)
    for one in found:
        counted[one.category or "no category"][one.best] += 1
    return dict(sorted(counted.items()))
