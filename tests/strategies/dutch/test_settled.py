"""Settled recordings: every event that has a certificate had exactly one winner."""

from collections import defaultdict
from decimal import Decimal

import dutch_recorded as recorded
import pytest

from markets.terms.exhaustiveness import Certificate, EventFacts, Evidence, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import MarketFacts

pytestmark = pytest.mark.skipif(
    not recorded.SHARED.exists(), reason="the large recordings are not beside this checkout"
)


def results() -> dict[str, dict[str, str]]:
    """event -> market -> yes or no, of games."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in recorded.lines(recorded.SHARED / "settlement" / "settled_markets_2026-07-17.jsonl.gz"):
        found[row["event_ticker"]][row["ticker"]] = row["result"]
    return found


def games() -> dict[str, EventFacts]:
    """The games of a recorded catalogue with all their texts, as they were while they could be traded."""
    found = {}
    for row in recorded.lines(recorded.SHARED / "catalog" / "sports_markets_raw_2026-07-09_10am.jsonl.gz"):
        ticker = row["event_ticker"]
        markets = [recorded.market({**m, "status": "active", "result": ""}) for m in row["markets"]]
        found[ticker] = EventFacts(
            ticker, ticker.split("-")[0], True, "MECNET", tuple(markets), row["markets"][0]["title"]
        )
    return found


def two_way(event: EventFacts) -> ReviewedSeries:
    sides = frozenset(m.yes_sub_title.lower() for m in event.markets)
    return ReviewedSeries(event.series_ticker, ReviewShape.TWO_WAY, "the test", "two sides", sides, tie_impossible=True)


def test_certified_games_had_exactly_one_winner() -> None:
    settled = results()
    certified, kinds = 0, set()
    for ticker, event in games().items():
        found = certify(event, two_way(event))
        if not isinstance(found, Certificate) or not found.one_must_win or ticker not in settled:
            continue
        legs = {m.ticker for m in event.markets}
        if set(settled[ticker]) != legs:
            continue  # not all legs of it were recorded as settled
        certified += 1
        kinds.add(found.kind)
        assert sorted(settled[ticker].values()) == ["no"] * (len(legs) - 1) + ["yes"], ticker
    assert certified == 79
    assert kinds == {Evidence.REVIEWED, Evidence.GAME}


def test_every_complete_game_had_one_winner_and_unreviewed_pairs_must_have_none() -> None:
    complete = {t: r for t, r in results().items() if len(r) in (2, 3) and not t.startswith("KXMVE")}
    assert len(complete) == 225  # 224 games and one tennis match
    assert all(list(legs.values()).count("yes") == 1 for legs in complete.values())
    pairs = [event for event in games().values() if len(event.markets) == 2]
    assert len(pairs) > 200
    found = [certify(event) for event in pairs]
    assert not any(isinstance(given, Certificate) and given.one_must_win for given in found)


def test_games_with_a_missing_leg_have_no_sure_winner_even_by_a_careless_review() -> None:
    for event in games().values():
        for missing in event.markets:
            legs = tuple(m for m in event.markets if m is not missing)
            part = EventFacts(event.event_ticker, event.series_ticker, True, "MECNET", legs, event.title)
            known_tie = len(legs) != 2 or missing.rules_secondary or any("Tie" in m.yes_sub_title for m in legs)
            if known_tie:
                found = certify(part, two_way(event))
                assert not isinstance(found, Certificate) or not found.one_must_win, (
                    event.event_ticker,
                    missing.ticker,
                )


def weather_facts() -> dict[str, EventFacts]:
    markets: dict[str, dict[str, MarketFacts]] = defaultdict(dict)
    for path in sorted((recorded.SHARED / "books").glob("weather_2026*")):
        for row in recorded.lines(path):
            if row.get("group") != "daily":
                continue
            low, high = (None if row[k] is None else Decimal(str(row[k])) for k in ("floor_strike", "cap_strike"))
            facts = MarketFacts(row["ticker"], "active", row["strike_type"], low, high, row["yes_sub_title"])
            markets[row["ticker"].rsplit("-", 1)[0]][row["ticker"]] = facts
    return {
        t: recorded.worded(EventFacts(t, t.split("-")[0], True, "MECNET", tuple(legs.values())))
        for t, legs in markets.items()
    }


def test_certified_temperatures_had_exactly_one_winner() -> None:
    facts = weather_facts()
    assert len(facts) > 100
    certified = [certify(event) for event in facts.values()]
    assert all(isinstance(found, Certificate) and found.one_must_win for found in certified)
    settled = 0
    for path in sorted((recorded.SHARED / "weather").glob("actuals_*")):
        for row in recorded.lines(path):
            for event in (row.get("settled_markets") or {}).get("events", []):
                known = facts.get(event["event_ticker"])
                if known is None:
                    continue
                settled += 1
                assert set(event["results"]) == {m.ticker for m in known.markets}
                assert sorted(event["results"].values()) == ["no"] * 5 + ["yes"]
    assert settled > 50
