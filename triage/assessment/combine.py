"""The combination of the sources with the market as one more opinion beside theirs, where it has earned a weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from triage.assessment.assess import market_belief
from triage.assessment.gather import Gathered
from triage.learning.current import Current
from triage.scoring.combination import NAME, pool
from triage.sources.protocol import Opinion, Report


def with_pool(
    gathered: Iterable[Gathered], reports: Mapping[str, list[Report]], learned: Current
) -> dict[str, list[Report]]:
    """The reports (event -> lines) with a line of the pool for every event on which a source with a weight has an opinion and whose
    market has usable prices."""
    found = dict(reports)
    if not learned.weights:
        return found
    for item in gathered:
        event = item.facts.ticker
        lines = reports.get(event, [])
        said = {x.source: x for x in lines if x.opinion is not None and learned.weights.get(x.source)}
        if not said or len(found[event]) != len(lines) or item.case.now.price_problem:
            continue
        market = market_belief(item.case)
        if market is not None and all(market.get(x.ticker, 0.0) > 0.0 for x in item.facts.listings):
            found[event] = [*lines, _line(said, market, learned)]
    return found


def _line(said: Mapping[str, Report], market: Mapping[str, float], learned: Current) -> Report:
    weights = {name: learned.weights[name] for name in said}
    opinions = {name: line.opinion for name, line in said.items() if line.opinion is not None}
    chances = pool(market, {name: one.probabilities for name, one in opinions.items()}, weights)
    words = ", ".join(f"{name} {weight:.0%}" for name, weight in weights.items())
    detail = f"{words}, the market the rest (version {learned.table.version})"
    return Report(
        NAME,
        Opinion(
            chances,
            min(one.as_of_ms for one in opinions.values()),
            detail,
            plot={"pool": {"version": learned.table.version, "weights": weights}},
        ),
        "",
        max(line.age_ms or 0 for line in said.values()),
    )
