"""The one protocol of sources. A source is a file with a class like ``Source`` and a line in ``registry``.

The life of an opinion: ``subject`` says what has to be known for an event, ``fetch`` brings it (the only step that
touches the network, done by a task of its own), the snapshot is cached, and ``opine`` turns it into probabilities
whenever a position is assessed. Whatever is missing, stale, contradictory or not understood is ``NoOpinion`` with its
reason; there is no default, and no opinion is never "covered".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from triage.assessment.case import Holding, View


@dataclass(frozen=True, slots=True)
class Listing:
    """One outcome of an event. Strikes are decimal strings as the exchange sent them, empty where it has none."""

    ticker: str
    strike_type: str
    floor: str
    cap: str
    rules: str = ""


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What a source may read. ``sources``: settlement source (name, url) of the event, else of its series.
    ``rules_secondary``: of all markets, each text once. ``digest``: of rules, strikes and the set of markets, without their
    states. Times are Unix milliseconds."""

    ticker: str
    series: str
    title: str
    listings: tuple[Listing, ...]
    sources: tuple[tuple[str, str], ...]
    rules_secondary: str = ""
    close_ms: int | None = None
    digest: str = ""
    terms_url: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a source fetches, shared by all events that need it: ``key`` is unique within the source, ``data`` the
    source's own (JSON)."""

    key: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a fetch brought. ``as_of_ms``: the source's own time of what it says; ``data`` is plain JSON."""

    fetched_ms: int
    as_of_ms: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """The number behind an opinion, as the source issued it: what its errors are learned from once the event has settled.

    ``subject``: what was forecast, e.g. ``high/KNYC``. ``published_spread``: one standard deviation before anything was
    learned, in ``unit``. ``bias`` and ``spread``: what was applied, of which ``version`` (0: nothing learned).
    ``chances``: value (as text, JSON's keys) -> probability.
    """

    subject: str
    unit: str
    value: float
    issued_ms: int
    lead_hours: float
    published_spread: float
    bias: float = 0.0
    spread: float = 0.0
    version: int = 0
    chances: Mapping[str, float] = field(default_factory=dict)
    is_report: bool = False
    """The final report itself, no forecast: nothing is learned from it, it is compared with what the exchange settles on."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Probability of each listed outcome. ``as_of_ms``: when the source issued it, by its own account. ``error``: in words, what error
    it assumes; ``plot``: figures for the screen; ``point``: the number forecast, where there is one."""

    probabilities: Mapping[str, float]
    as_of_ms: int
    detail: str
    error: str = ""
    plot: Mapping[str, Any] = field(default_factory=dict)
    point: Point | None = None


class Silence(StrEnum):
    """What kind of reason a source has to say nothing."""

    ORDINARY = ""
    OTHER_SOURCE = "other_source"
    """The event's own texts name another source than was reviewed: a person has to check it."""
    RELEASE_NEAR = "release_near"
    """The figure that decides the event comes out within a day: a person decides before it."""
    RELEASED = "released"
    """The figure is out: what any source said before it holds no longer."""


@dataclass(frozen=True, slots=True)
class NoOpinion:
    """Why a source says nothing."""

    reason: str
    code: Silence = Silence.ORDINARY


def learned_of(said: Opinion) -> dict[str, Any]:
    """The version of what was learned and the values of it that an opinion used, as an assessment keeps them; empty where none was. Of
    a family: under which category and hours to the close it is scored."""
    point = said.point
    if point is None:
        return dict(said.plot.get("pool") or said.plot.get("family") or {})
    return {
        "version": point.version,
        "subject": point.subject,
        "forecast": round(point.value, 2),
        "bias": round(point.bias, 3),
        "spread": round(point.spread, 3),
        "lead_hours": round(point.lead_hours, 1),
        "issued_ms": point.issued_ms,
    }


class SourceError(Exception):
    """A fetch failed or brought something that cannot be read. The message is for a person."""


class Client(Protocol):
    """How a source reaches the network."""

    def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON body of a successful answer. Raises SourceError."""


class Source(Protocol):
    """A source of outside data. ``name`` is short and stable: recommendations, scores and evidence hang on it."""

    name: str
    refresh_seconds: int
    """How often a subject is worth fetching."""

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        """What must be known about this event; NoOpinion if the source does not cover it. Pure and quick."""

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        """Bring it. Raises SourceError; never returns half of it."""

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        """What the snapshot says about the event. Pure and quick; checks the snapshot's age itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """One source on one event in one assessment: an opinion, or the reason why there is none."""

    source: str
    opinion: Opinion | None
    reason: str = ""
    age_ms: int | None = None
    code: Silence = Silence.ORDINARY

    def view(self) -> View:
        """The opinion in the form that the assessment takes. Only where there is one."""
        if self.opinion is None:
            raise ValueError(f"{self.source} has no opinion")
        return View(self.source, self.opinion.probabilities, self.age_ms or 0, self.opinion.detail)

    def row(self, holding: Holding | None) -> dict[str, Any]:
        """The form kept in an assessment; ``holding``: what the opinion makes the position worth."""
        said = self.opinion
        return {
            "source": self.source,
            "opinion": said is not None,
            "age_ms": self.age_ms,
            "detail": said.detail if said else self.reason,
            "error": said.error if said else "",
            "probabilities": {t: round(p, 6) for t, p in said.probabilities.items()} if said else {},
            "plot": dict(said.plot) if said else {},
            "learned": learned_of(said) if said else {},
            "worth": None if holding is None else holding.worth,
            "gain": None if holding is None else holding.gain,
            "coverage_ppm": None if holding is None else round(holding.coverage * 1_000_000),
        }
