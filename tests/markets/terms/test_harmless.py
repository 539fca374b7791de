"""What means nothing for the settlement, in wordings that a sound event may have: none of it may lose the certificate."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from markets.terms.exhaustiveness import Certificate, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import EventFacts
from markets.terms.reading.secondary import Topic, read_sentence
from markets.terms.reading.text import one_spelling, plain, sentences
from tests.markets.terms.wording import (
    CANCELLED,
    PRICE_NOTE,
    TIE_SPLITS,
    WEATHER_NOTE,
    changed,
    named,
    price_range,
    primary,
    secondary,
    soccer,
    stated,
    temperature,
)

SENTENCES = (
    "Trading closes at 11:59 PM ET.",
    "The market will close at 11:59 PM ET on July 16, 2026.",
    "Trading closes on July 16, 2026 at 11:59 PM ET.",
    "This market closes at 11:59 p.m. ET.",
    "The market will close at 11:59pm ET.",
    "Trading for this market ends at 11:59 PM ET.",
    "Trading hours are from 8 AM to 11 PM ET.",
    "Trading hours: 24/7.",
    "The last trading time is 11:59 PM ET.",
    "Last trading time: 11:59 PM ET.",
    "The exchange is closed for maintenance on Thursdays from 3 AM to 5 AM ET.",
    "Scheduled maintenance is on Thursdays from 3 AM to 5 AM ET.",
    "See the full rules.",
    "Please see the full rules for more information.",
    "For more information, see the full rules.",
    "For details, please refer to the Contract Terms.",
    "Please read the rules carefully before trading.",
    "Full rules are available on the market page.",
    "Only one range can resolve to Yes.",
    'Only one market will resolve to "Yes".',
    'Only one of these contracts can resolve to "Yes."',
    "Note that only one strike can resolve to Yes.",
    "Please note that at most one outcome will resolve to YES.",
    "At most one bracket can resolve to Yes.",
    "The ranges are mutually exclusive.",
    "Note: this market is mutually exclusive.",
    "All of the outcomes in this event are mutually exclusive.",
    "The brackets are mutually exclusive and do not overlap.",
    "The ranges do not overlap.",
    "Otherwise, the market resolves to No.",
    "Otherwise, it will resolve to No.",
    "If not, this contract resolves No.",
    "In all other cases, the strike will resolve to NO.",
    "The market resolves to No otherwise.",
    "All other markets will resolve to No.",
    "Trading fees may apply.",
    "All times are Eastern.",
    "Each contract pays $1 if it resolves to Yes.",
    "\u2022 **Only one range** can resolve to Yes.",
)
RULES = (
    (
        "July 16, 2026",
        (
            "Jul 16, 2026",
            "2026-07-16",
            "July 16th, 2026",
            "Thursday, July 16, 2026",
            "Thu, Jul 16 2026",
            "16 July 2026",
        ),
        1,
    ),
    ("July 16, 2026", ("Jul. 16, 2026",), None),
    ("°", (" degrees", "°F", "° F", " °F", "º", "\u2109", " degrees Fahrenheit", "° Fahrenheit"), None),
    (
        "between 84-85°",
        (
            "between 84° and 85°",
            "between 84-85 degrees",
            "between 84-85° inclusive",
            "84°\u201385°",
            "84° - 85°F",
            "from 84° to 85° (inclusive)",
        ),
        1,
    ),
    (
        "greater than 87°",
        ("above 87°", "> 87°", "in excess of 87°", "at least 88°", "88° or above", "no less than 88°", "≥88°", "88°+"),
        3,
    ),
    ("less than 84°", ("below 84°", "<84°", "at most 83°", "83° or lower", "no more than 83°", "83° and below"), 0),
    ("for July", ("on July",), None),
    (
        "the highest temperature",
        ("the daily maximum temperature", "the highest temperature (in degrees Fahrenheit)"),
        None,
    ),
    (
        "as reported by the National Weather Service's Climatological Report (Daily)",
        (
            "according to the NWS Climatological Report (Daily)",
            "as published in the National Weather Service Daily Climate Report",
        ),
        None,
    ),
    ("Central Park, New York", ("Central Park, NY", "New York City"), None),
)
THEN = (
    ", then this market will resolve to Yes.",
    ", then the contract resolves to Yes.",
    ' then it resolves to "Yes."',
    ", the market will resolve to YES",
    ", then the Market resolves Yes.",
)
NAMES = (
    (0, ("83 or lower", "<84°", "≤83°", "83º and below", "at most 83°")),
    (1, ("84° - 85°", "84–85°F", "84 to 85", "between 84° and 85°")),
    (3, ("88°+", ">87°", "≥ 88°", "88° and above", "At least 88°")),
)
ADDRESSES = (
    "https://forecast.weather.gov/product.php?site=NWS&issuedby=NYC&product=CLI",
    "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC&format=CI&version=1&glossary=0",
    "https://weather.gov",
)
TITLES = (
    ("Highest temperature in NYC on Jul 16, 2026?", "On Jul 16, 2026", "KXHIGHNY-26JUL16"),
    ("What will the high temperature be in New York City on July 16?", "On Thursday, July 16", "KXHIGHNY-1"),
    ("NYC maximum temperature on July 16, 2026?", "Jul 16", "KXHIGHNY-26JUL16"),
)
GAMES = (
    ("Alphas vs Betas Winner?", "ALP vs BET (Jul 9)", "KXMLSGAME-26JUL09ALPBET"),
    ("Who will win Alphas at Betas?", "2026-07-09", "KXMLSGAME-26JUL09ALPBET"),
)
SOURCES = (
    "NWS Climatological Report https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC",
    "National Weather Service https://www.weather.gov",
)


def kept(facts: EventFacts, review: ReviewedSeries | None = None) -> bool:
    found = certify(facts, review)
    assert isinstance(found, Certificate), found.sentence
    return found.one_must_win


def one_lost(sentence: str) -> bool:
    after = changed(temperature(), lambda m: replace(m, rules_primary=f"{m.rules_primary} {sentence}"))
    events = (secondary(temperature(), sentence), after, secondary(soccer(), sentence))
    coin = certify(secondary(price_range(), sentence))
    return (
        not all(map(kept, events)) or not isinstance(coin, Certificate) or coin.one_must_win
    )  # without data nobody wins


def test_a_harmless_sentence_loses_nothing_in_secondary_rules_or_after_the_condition() -> None:
    assert [sentence for sentence in SENTENCES if one_lost(sentence)] == []


TURNING = ("not", "no", "never", "neither", "two", "unless", "except", "half")


def test_a_word_that_turns_a_harmless_sentence_round_is_not_read_anywhere_in_it() -> None:
    notes = [*SENTENCES, *(s for note in (WEATHER_NOTE, PRICE_NOTE) for s in sentences(note)), CANCELLED, TIE_SPLITS]
    read = []
    for sentence in notes:
        assert any(read_sentence(one_spelling(plain(sentence)), topic) for topic in Topic)
        words = sentence.split(" ")
        for turned in (" ".join([*words[:i], word, *words[i:]]) for i in range(len(words)) for word in TURNING):
            said = sentences(one_spelling(plain(turned)))
            read += [turned for topic in Topic if all(read_sentence(one, topic) is not None for one in said)]
    assert read == []


def test_another_spelling_of_the_same_rule_loses_nothing() -> None:
    spelled = [(new, primary(temperature(), old, new, at)) for old, others, at in RULES for new in others]
    assert [new for new, facts in spelled if not kept(facts)] == []


def test_another_end_of_the_condition_loses_nothing() -> None:
    facts, review = decision()
    for end in THEN:
        for event in (temperature(), soccer()):
            assert kept(primary(event, ", then the market resolves to Yes.", end)), end
        assert kept(primary(facts, ", then the market resolves to Yes.", end), review), end
        assert kept(facts, replace(review, rule=review.rule.replace(", then the market resolves to Yes.", end))), end


def test_another_spelling_of_a_name_loses_nothing() -> None:
    named_so = [
        (name, changed(temperature(), partial(replace, yes_sub_title=name), at))
        for at, names in NAMES
        for name in names
    ]
    assert [name for name, facts in named_so if not kept(facts)] == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_another_address_of_the_same_report_loses_nothing(address: str) -> None:
    assert kept(replace(temperature(), sources=(f"The National Weather Service {address}",)))


@pytest.mark.parametrize("labels", TITLES)
def test_titles_that_say_what_the_rules_say_lose_nothing(labels: tuple[str, str, str]) -> None:
    assert kept(replace(temperature(), title=labels[0], sub_title=labels[1], event_ticker=labels[2], sources=SOURCES))


@pytest.mark.parametrize("labels", GAMES)
def test_titles_of_games_lose_nothing(labels: tuple[str, str, str]) -> None:
    assert kept(replace(soccer(), title=labels[0], sub_title=labels[1], event_ticker=labels[2]))


def test_titles_of_coins_lose_nothing() -> None:
    source = ("CF Benchmarks https://www.cfbenchmarks.com/data/indices/BRTI",)
    title, sub_title = "Bitcoin price range on Jul 17, 2026 at 5pm EDT?", "On Jul 17, 2026 at 5pm EDT"
    certify_at = replace(
        price_range(), title=title, sub_title=sub_title, event_ticker="KXBTC-26JUL1717", sources=source
    )
    assert not kept(certify_at)


DECISION = "If the Federal Reserve does a {} on {{date}}, then the market resolves to Yes."
DECISIONS = {
    "Hike >25bps": DECISION.format("Hike of >25bps"),
    "Hike 25bps": DECISION.format("Hike of 25bps"),
    "Fed maintains rate": DECISION.format("Hike of 0bps"),
    "Cut 25bps": DECISION.format("Cut of 25bps"),
    "Cut >25bps": DECISION.format("Cut of >25bps"),
}
DECISION_NOTE = (
    "This market is mutually exclusive. Therefore, if the Federal Reserve hikes by 50bps, the 50bps market will resolve to Yes and the "
    "25bps market will resolve to No. Only one bucket, at maximum, can resolve to Yes. Note 4/28/25: For the markets beginning after the "
    "May meeting, if a scheduled FOMC meeting is canceled and does not occur on its scheduled date, then the strike for "
    '"Fed maintains rate" will resolve to Yes and all others will resolve to No.'
)


def reviewed(series: str, names: tuple[str, ...], rule: str) -> ReviewedSeries:
    outcomes = frozenset(name.lower() for name in names)
    return stated(ReviewedSeries(series, ReviewShape.EXHAUSTIVE, "a reviewer", "The list is complete.", outcomes, rule))


def decision() -> tuple[EventFacts, ReviewedSeries]:
    rule = "\n".join(f"{name}: {text}" for name, text in DECISIONS.items())
    texts = {name: text.format(date="January 26, 2028") for name, text in DECISIONS.items()}
    facts = named("KXFEDDECISION", texts, DECISION_NOTE)
    markets = []
    for m in facts.markets:
        action, size = m.rules_primary.removeprefix("If the Federal Reserve does a ").split(" on ")[0].split(" of ")
        markets.append(replace(m, strike_type="custom", custom_strike=json.dumps({"Action": action, "Size": size})))
    return replace(facts, markets=tuple(markets)), reviewed("KXFEDDECISION", tuple(DECISIONS), rule)


def test_a_rate_decision_with_all_legs_is_kept_when_each_legs_rule_was_reviewed() -> None:
    facts, review = decision()
    titled = replace(facts, title="Fed decision in Jan 2028?", sub_title="On Jan 26, 2028")
    assert kept(titled, replace(review, titles=("Fed decision in Mar 2028?",)))
    assert not isinstance(certify(titled, review), Certificate)  # whose titles nobody has seen


def test_a_rate_decision_whose_leg_differs_from_the_review_or_whose_fallback_is_missing_is_refused() -> None:
    facts, review = decision()
    assert not isinstance(certify(primary(facts, "Cut of 25bps", "Cut of 50bps", 3), review), Certificate)
    assert not isinstance(certify(primary(facts, "January 26", "January 27", 0), review), Certificate)
    other = changed(facts, lambda m: replace(m, rules_secondary=m.rules_secondary.replace("maintains", "holds")))
    assert not isinstance(certify(other, review), Certificate)
    swapped = changed(facts, lambda m: replace(m, custom_strike='{"Action": "Cut", "Size": "25bps"}'), 1)
    assert not isinstance(certify(swapped, review), Certificate)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (
            ("Up", "Down", "Unchanged"),
            "If the close of the index on {date} is {outcome}, then the market resolves to Yes.",
        ),
        (("Ann Dunne", "Joanna", "Someone else"), "If {outcome} becomes Pope, then the market resolves to Yes."),
        (("0", "1 to 2", "3 or more"), "If {outcome} storms are named by {date}, then the market resolves to Yes."),
        (("Q3 2026", "Q4 2026", "2027 or later"), "If it opens in {outcome}, then the market resolves to Yes."),
        (
            ("San Francisco 49ers", "Schalke 04", "Team U20"),
            "If {outcome} wins the cup, then the market resolves to Yes.",
        ),
    ],
)
def test_a_reviewed_list_is_kept(names: tuple[str, ...], rule: str) -> None:
    texts = {name: rule.format(outcome=name, date="July 16, 2026") for name in names}
    assert kept(named("KXLIST", texts, "This market is mutually exclusive."), reviewed("KXLIST", names, rule))
