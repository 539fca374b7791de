"""Probabilities from prices: what is missing, what is dust, and which method says most about settled events."""

import csv
import gzip
from collections.abc import Mapping
from math import log

import dutch_recorded as recorded
import pytest

from markets.book import Depth
from strategies.dutch.coverage import Devig, Quote, firm_quote, from_quotes, middles, probabilities

SETTLED = recorded.SHARED.parent / "recorded2"
shared = pytest.mark.skipif(not SETTLED.exists(), reason="the large recordings are not beside this checkout")


def book(bid: int | None, ask: int | None) -> Depth:
    return Depth.of([(bid, 100)] if bid else [], [(10_000 - ask, 100)] if ask else [])


def known(books: Mapping[str, Depth], *, certified: bool, method: Devig = Devig.PROPORTIONAL) -> dict[str, float]:
    found = probabilities(books, certified=certified, method=method)
    assert found is not None
    return found


def test_an_outcome_without_any_price_makes_probabilities_unknown() -> None:
    assert probabilities({"A": book(4000, 4200), "B": book(None, None)}, certified=True) is None


def test_a_missing_ask_is_bounded_by_the_other_bids_and_a_missing_bid_by_zero() -> None:
    assert middles({"A": (6000, None), "B": (1000, 1200)}) == {"A": 0.75, "B": 0.11}
    assert middles({"A": (None, 400), "B": (9000, 9400)}) == {"A": 0.02, "B": 0.92}


def test_one_outcome_without_quotes_leaves_the_others_known() -> None:
    quotes: dict[str, Quote] = {"A": (6000, 6200), "B": (3000, 3200), "C": (None, None), "D": (None, None)}
    found = middles(quotes)
    assert found is not None
    assert found["A"] == 0.61
    assert found["C"] == found["D"] == pytest.approx(0.04)
    wide: dict[str, Quote] = {f"T{i}": (None, 100) for i in range(298)}
    known = from_quotes({**wide, "W": (9300, 9700), "X": (None, None)}, certified=True)
    assert known is not None
    assert known["W"] > 0.8


def test_dust_moves_no_middle() -> None:
    plain = Depth.of([(4000, 500)], [(5800, 500)])
    dusted = Depth.of([(4000, 500), (4150, 1)], [(5800, 500), (5820, 99)])
    assert firm_quote(plain) == firm_quote(dusted) == (4000, 4200)
    assert firm_quote(Depth.of([(4000, 60), (3900, 60)], [])) == (3900, None)


def test_empty_tails_do_not_halve_the_winners_probability() -> None:
    """Like a range event of Bitcoin: one range that all bid for, and 187 that are offered at a cent and bid for by nobody."""
    quotes: dict[str, Quote] = {"W": (9500, 9800), **{f"T{i}": (None, 100) for i in range(187)}}
    scaled = from_quotes(quotes, certified=True, method=Devig.PROPORTIONAL)
    scored = from_quotes(quotes, certified=True)
    assert scaled is not None
    assert scored is not None
    assert scaled["W"] < 0.55
    assert scored["W"] > 0.9


@shared
def test_the_default_scores_better_than_scaling_or_a_power_on_settled_events() -> None:
    """Log score on six ranges of temperature at three hours of the day, 19 cities, ten days of May 2026."""
    total = dict.fromkeys(Devig, 0.0)
    events = settled_temperatures()
    for quotes, winner in events:
        for method in Devig:
            found = from_quotes(quotes, certified=True, method=method)
            assert found is not None
            total[method] -= log(max(1e-6, found[winner]))
    assert len(events) > 300
    assert total[Devig.SCORED] < min(total[Devig.PROPORTIONAL], total[Devig.POWER])


def settled_temperatures() -> list[tuple[dict[str, Quote], str]]:
    """(best prices of each outcome, the one that won) of every complete recorded moment."""
    folder = SETTLED / "settled"
    with gzip.open(folder / "weather_19cities_markets.csv.gz", "rt") as rows:
        results = {row["ticker"]: (row["event_ticker"], row["result"]) for row in csv.DictReader(rows)}
    moments: dict[tuple[str, str], dict[str, Quote]] = {}
    with gzip.open(folder / "weather_19cities_quotes_3x_day.csv.gz", "rt") as rows:
        for row in csv.DictReader(rows):
            if row["ticker"] in results:
                bid, ask = (round(float(row[f"last_yes_{side}"] or 0) * 10_000) for side in ("bid", "ask"))
                moment = (results[row["ticker"]][0], row["snapshot_hour_utc"])
                moments.setdefault(moment, {})[row["ticker"]] = bid or None, ask if 0 < ask < 10_000 else None
    found = []
    for quotes in moments.values():
        won = [ticker for ticker in quotes if results[ticker][1] == "yes"]
        if len(quotes) == 6 and len(won) == 1:
            found.append((quotes, won[0]))
    return found


@pytest.mark.parametrize("method", list(Devig))
def test_probabilities_add_up_to_one_or_leave_an_unlisted_remainder(method: Devig) -> None:
    books = {"A": book(5000, 5400), "B": book(3000, 3400), "C": book(1800, 2200)}
    assert sum(known(books, certified=True, method=method).values()) == pytest.approx(1)
    assert sum(known(books, certified=False, method=method).values()) == pytest.approx(0.98)
    thin = {"A": book(3000, 3400), "B": book(1000, 1400)}
    assert sum(known(thin, certified=False, method=method).values()) == pytest.approx(0.44)


def test_the_power_method_takes_more_from_the_tails() -> None:
    books = {"A": book(8800, 9000), "B": book(900, 1100), "C": book(400, 600)}
    plain = known(books, certified=True)
    power = known(books, certified=True, method=Devig.POWER)
    assert power["C"] < plain["C"]
    assert power["A"] > plain["A"]
