"""Every slot of a rule, label and list filled with something else: no certificate may promise more than the event can then pay."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from markets.terms.exhaustiveness import Certificate, Refusal, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import EventFacts, MarketFacts
from tests.markets.terms.test_traps import (
    BALLOT,
    NOBODY3,
    NOBODY4,
    Truth,
    assert_no_false_promise,
    launch,
    nominees,
)
from tests.markets.terms.wording import (
    WEATHER_RULE,
    baseball,
    changed,
    event,
    price_range,
    primary,
    secondary,
    soccer,
    stated,
    strike,
    temperature,
    worded,
)

Case = tuple[EventFacts, Truth, ReviewedSeries | None]
DAY, REPORT = "for July 16, 2026", "National Weather Service's Climatological Report (Daily)"
SIDES = ReviewedSeries(
    "KXMLBGAME", ReviewShape.TWO_WAY, "a reviewer", "No ties.", frozenset({"alphas", "betas"}), tie_impossible=True
)

WEATHER = {
    REPORT: (
        "National Weather Service's Climatological Report (Monthly)",
        "NWS's Hourly Observation",
        "NWS's Daily Climate Report, to the tenth",
        "NOAA's Daily Climate Report",
        "Environment Canada's Daily Climate Report",
    ),
    "highest temperature": (
        "highest dew point",
        "highest heat index",
        "highest temperature anomaly",
        "second highest temperature",
    ),
    DAY: (
        "for the week of July 16, 2026",
        "by July 16, 2026",
        "for July 16, 2026 before noon",
        "for July 16, 2026, or July 17, 2026 if unavailable",
        "for July 32, 2026",
        "for Friday, July 16, 2026",
        "for Fri, July 16, 2026",
        "for July 16 or July 17, 2026",
        "for February 30, 2026",
    ),
    "Central Park, New York": ("Central Park, New York or JFK", "La Guardia", "Central Park, New Jersey"),
    "resolves to Yes": ("resolves to No", "resolves to Yes at 50%", "resolves to Yes unless it is cloudy"),
    "°": (" degrees Celsius", "°C", " kelvin", "% "),
}
STRIKES = {
    0: (
        "less than 84°",
        ("at most 84°", "less than 84.5°", "at most 83.5°", "≤84°", "< 84.5°", "83° and above", "no less than 83°"),
    ),
    1: (
        "between 84-85°",
        (
            "strictly between 84-85°",
            "between 84-86°",
            "between 85-84°",
            "84°",
            "outside 84-85°",
            "84° - 86°",
            "84°F--85°F",
            "between 84° and 85° (exclusive)",
            "more than 84° and at most 85°",
            "between 84-85° or 90-91°",
        ),
    ),
    3: (
        "greater than 87°",
        (
            "greater than 87.4°",
            "no less than 87°",
            "at least 88.5°",
            "≥ 87°",
            "87°+",
            ">= 87.5°",
            "-88°+",
            "about 88°",
            "greater than ８７°",
            "greater than ٨٧°",
        ),
    ),
}
COIN = {
    "(BRTI)": ("(ERTI)",),
    "Bitcoin Real-Time Index (BRTI)": ("Ethereum Real-Time Index (ERTI)",),
    "5 PM EDT on": ("6 PM EDT on",),
    "simple average": ("median", "maximum"),
    "sixty seconds": ("sixty minutes",),
    "CF Benchmarks'": ("Coinbase's",),
    "5 PM EDT": ("17 PM EDT", "0 PM EDT", "5 PM XYZ"),
}
TITLES = (
    "Lowest temperature in NYC on Jul 16, 2026?",
    "Highest temperature in Boston on Jul 16, 2026?",
    "Highest temperature in NYC on Jul 17, 2026?",
    "Highest temperature in NYC on August 16?",
    "Highest temperature in NYC this week?",
    "Highest temperature in NYC to the tenth?",
    "Average temperature in NYC?",
    "Highest rainfall in NYC?",
    "Highest temperature in NYC on 7/17/2026?",
    "Высокая температура",
)
SENTENCES = (
    "Trading closes at 11:59 PM ET unless the value is known.",
    "Only one range can resolve to Yes, or none.",
    "Only two ranges can resolve to Yes.",
    "Only one of the two ranges can resolve to Yes.",
    "Note that no range can resolve to Yes.",
    "Please note that the market resolves to No.",
    "Note: Otherwise, the market resolves to Yes.",
    "All other markets will resolve to Yes.",
    "All markets will resolve to No.",
    "Each contract pays $1 if the market resolves to No.",
    "A contract pays $0.50 if it resolves to Yes.",
    "The ranges do overlap.",
    "See the full rules, which provide for a 50/50 split.",
    "This market is not mutually exclusive.",
    "A value equal to a bound belongs to neither.",
    "Boundary values resolve to both brackets.",
    "Values are truncated.",
    "If the report is amended, the later governs.",
    "The market will settle using the median of three sources.",
)
NAMES = (
    ("3", "over 2", "1"),
    ("1-3", "3-5", "6"),
    ("10%+", "20%+", "less than 10%"),
    (">5", ">7", "<5"),
    ("≥5", "≥7", "<5"),
    ("≤5", "≤7", ">7"),
    ("minimum 3", "minimum 5", "2"),
    ("one", "at least 1", "zero"),
    ("none", "zero", "one"),
    ("2026", "by 2027", "2028"),
    ("Jan 2026", "January 2026", "Feb 2026"),
    ("1st half", "first half", "second half"),
    ("first half of 2026", "Q2 2026", "2027"),
    ("Q3", "before Q4", "Q4"),
    ("May", "spring", "autumn"),
    ("not in 2026", "2027", "2028"),
    ("earlier than May", "May or earlier", "June"),
    ("A", "B", "A and B"),
    ("3rd or better", "2nd", "4th"),
    ("both", "A", "neither"),
)
CRASHES = ("Infinity", "NaN", "sNaN", "1E+999999", "1E-999999", "9" * 400)


def rules() -> Iterator[tuple[str, Case]]:
    for slots, base in ((WEATHER, temperature), (COIN, price_range)):
        for old, others in slots.items():
            for new in others:
                yield f"all: {new}", (primary(base(), old, new), NOBODY4, None)
                yield f"one: {new}", (primary(base(), old, new, 1), NOBODY4, None)
    for at, (old, others) in STRIKES.items():
        for new in others:
            yield f"strike: {new}", (primary(temperature(), old, new, at), NOBODY4, None)
            bare = changed(primary(temperature(), old, new, at), lambda m: replace(m, yes_sub_title=""))
            yield f"strike without name: {new}", (bare, NOBODY4, None)


def labels() -> Iterator[tuple[str, Case]]:
    for title in TITLES:
        yield f"title: {title}", (replace(temperature(), title=title), NOBODY4, None)
        yield f"sub-title: {title}", (replace(temperature(), sub_title=title), NOBODY4, None)
    for ticker in ("KXHIGHNY-26JUL17", "KXHIGHNY-25JUL16", "KXHIGHNY-26FEB30"):
        yield ticker, (replace(temperature(), event_ticker=ticker), NOBODY4, None)
    for title in (
        "Ethereum price range?",
        "Bitcoin price at 6pm EDT?",
        "Bitcoin price at 5pm PDT?",
        "Bitcoin minimum price?",
    ):
        yield title, (replace(price_range(), title=title), [*NOBODY4, (1.0,) * 4], None)
    for title in (
        "Alphas vs Betas First Half Winner?",
        "Alphas vs Betas: spread",
        "Alphas vs Gammas Winner?",
        "Alphas vs Betas (Jul 10)",
    ):
        yield title, (replace(baseball(), title=title), [(0.0, 0.0)], SIDES)
        yield f"three: {title}", (replace(soccer(), sub_title=title), NOBODY3, None)
    for text in ('{"floor": 84}', "junk", "[]"):
        one = changed(temperature(), partial(replace, custom_strike=text), 1)
        yield f"custom: {text}", (one, NOBODY4, None)
    for source in (
        "The Weather Company https://weather.com/kalshi",
        "NWS https://forecast.weather.gov/product.php?site=EWX&product=CLI&issuedby=AUS",
        "NWS https://weather.gov.example/",
        "NWS https://forecast.weather.gov/product.php?site=NWS&product=CLI&issuedby=NYC&version=2",
        "NWS https://forecast.weather.gov/product.php?site=NWS&product=CLI&issuedby=NYC&issuedby=BOS",
        "NWS https://forecast.weather.gov/product.php?site=NWS&product=CLM&issuedby=NYC",
    ):
        yield source, (replace(temperature(), sources=(source,)), NOBODY4, None)
    for source in ("Coinbase https://coinbase.com", "CF Benchmarks https://www.cfbenchmarks.com/data/indices/ERTI/"):
        yield source, (replace(price_range(), sources=(source,)), [(1.0,) * 4], None)
    yield "coin's series", (replace(price_range(), series_ticker="KXETH"), [(1.0,) * 4], None)
    yield "a series that nobody mapped", (replace(temperature(), series_ticker="KXHIGHX"), NOBODY4, None)


def custom(*strikes: str) -> EventFacts:
    pairs = zip(soccer().markets, strikes, strict=True)
    return replace(soccer(), markets=tuple(replace(m, custom_strike=one) for m, one in pairs))


def side(name: str) -> EventFacts:
    def rename(m: MarketFacts) -> MarketFacts:
        texts = {
            k: getattr(m, k).replace("Alphas", name) for k in ("yes_sub_title", "rules_primary", "rules_secondary")
        }
        return replace(m, **texts)

    return changed(soccer(), rename)


def games() -> Iterator[tuple[str, Case]]:
    for name in (
        "Alphas by 2+ goals",
        "Alphas -1.5",
        "Alphas or Betas",
        "Alphas (+1)",
        "Alphas to nil",
        "Alphas in extra time",
    ):
        yield name, (side(name), NOBODY3, None)
    for at in (None, 0):
        until = changed(baseball(), lambda m: replace(m, yes_sub_title=f"Reg Time: {m.yes_sub_title}"), at)
        yield f"regulation time {at}", (until, [(0.0, 0.0)], SIDES)
    within = (
        "If this game is postponed or delayed, the market will remain open and close after the rescheduled game has finished "
        "(within two days)."
    )
    yield "a span with no word on what comes after", (secondary(baseball(), within), [(0.3, 0.3)], SIDES)
    yield "custom strikes that are swapped", (custom('{"t":"Betas"}', '{"t":"Alphas"}', '{"t":"Tie"}'), NOBODY3, None)
    yield "one custom strike for all", (custom(*['{"t":"1c0e7f6a-0000-4000-8000-000000000001"}'] * 3), NOBODY3, None)
    yield "a custom strike for one", (custom('{"t":"Alphas"}', "", ""), NOBODY3, None)
    yield "a number strike", (changed(soccer(), lambda m: replace(m, floor_strike=Decimal(2)), 0), NOBODY3, None)
    yield "a functional strike", (changed(soccer(), lambda m: replace(m, strike_type="functional")), NOBODY3, None)


def others() -> Iterator[tuple[str, Case]]:
    for sentence in SENTENCES:
        yield f"temperature: {sentence}", (secondary(temperature(), sentence), NOBODY4, None)
        yield f"coin: {sentence}", (secondary(price_range(), sentence), [(1.0,) * 4], None)
        yield f"game: {sentence}", (secondary(soccer(), sentence), NOBODY3, None)
    average = "The official and final value is the average of these prices."
    yield "a coin's average in a temperature", (secondary(temperature(), average), NOBODY4, None)
    for names in NAMES:
        facts, truth, review = launch(*names)
        yield str(names), (facts, truth, review)
    for several in (
        "finishes in the top 2",
        "is among the nominees",
        "reaches the semifinals",
        "is one of the winners",
        "wins a medal",
        "qualifies for the cup",
        "is jointly nominated",
        "wins at least one state",
        "is in the first three",
    ):
        rule = f"If {{}} {several}, then the market resolves to Yes."
        yield several, (nominees(rule=rule), [(1.0, 1.0, 0.0)], replace(BALLOT, rule=rule.replace("{}", "{outcome}")))
    gap = launch("3 to 5", "7 to 9", "10 or more")
    yield "a gap between names", (gap[0], NOBODY3, gap[2])
    for name in ("Quill or Rook", "Anyone but Quill", "Rook (first ballot)", "The Rook", "not Quill"):
        review = replace(BALLOT, outcomes=frozenset({"quill", "rook", name.lower()}))
        yield name, (nominees(names=("Quill", "Rook", name)), [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0)], review)
    yield "a gap of two degrees", (tiles([(None, 84), (84, 85), (87, 88), (88, None)]), NOBODY4, None)
    for edges in ([(None, 85), (84, 85), (86, 87), (87, None)], [(None, 84), (84, 87), (85, 86), (87, None)]):
        yield str(edges), (tiles(edges), [(1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0)], None)


def tiles(edges: Sequence[tuple[int | None, int | None]]) -> EventFacts:
    markets = [
        strike("KXHIGHNY", "less" if low is None else "greater" if high is None else "between", low, high)
        for low, high in edges
    ]
    return event("KXHIGHNY", *worded(markets, WEATHER_RULE, "Not all weather data is the same.", "°"))


CASES = dict([*rules(), *labels(), *games(), *others()])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_another_filling_of_a_slot_is_refused_or_listed(case: Case) -> None:
    facts, truth, review = case
    found = certify(facts, None if review is None else stated(review))
    if isinstance(found, Certificate):
        assert_no_false_promise(facts, truth, found, random.Random(1))
    else:
        assert found.sentence


@pytest.mark.parametrize("number", CRASHES)
def test_a_number_that_no_strike_has_refuses_and_does_not_crash(number: str) -> None:
    odd = changed(temperature(), lambda m: replace(m, floor_strike=Decimal(number)), 3)
    worded_so = primary(odd, "greater than 87", f"greater than {number}", 3)
    assert isinstance(certify(odd), Refusal)
    assert isinstance(certify(worded_so), Refusal)


@pytest.mark.parametrize("day", ["2026-13-45", "Feb 30, 2026", "soon", "\u0661\u0666"])
def test_a_date_that_no_calendar_has_refuses_and_does_not_crash(day: str) -> None:
    for facts in (temperature(), soccer(), price_range()):
        assert isinstance(certify(replace(facts, strike_date=day)), Refusal)


@pytest.mark.parametrize(
    "address", ["https://[::1", "http://[weather.gov]/", "https://www.weather.gov:x/", "//", "\x00"]
)
def test_an_address_in_no_form_refuses_and_does_not_crash(address: str) -> None:
    for facts, name in ((temperature(), "NWS"), (price_range(), "CF Benchmarks")):
        assert isinstance(certify(replace(facts, sources=(f"{name} {address}",))), Refusal)


def test_labels_and_sources_are_part_of_the_facts_of_a_certificate() -> None:
    found = certify(temperature())
    assert isinstance(found, Certificate)
    assert not found.covers(replace(temperature(), sub_title="On Jul 16, 2026"))
    assert not found.covers(replace(temperature(), sources=("NWS https://www.weather.gov",)))
