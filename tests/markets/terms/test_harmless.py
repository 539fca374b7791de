"""What means nothing for the settlement, in wordings that a sound event may have: none of it may lose the certificate."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from markets.terms.exhaustiveness import Certificate, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import EventFacts
from tests.markets.terms.wording import changed, named, price_range, primary, secondary, soccer, stated, temperature

SENTENCES = (
    "Trading closes at 11:59 PM ET.",
    "The market will close at 11:59 PM ET on July 16, 2026.",
    "Trading closes on July 16, 2026 at 11:59 PM ET.",
    "Trading hours are from 8 AM to 11 PM ET.",
    "The last trading time is 11:59 PM ET.",
    "See the full rules.",
    "Please see the full rules for more information.",
    "For more information, see the full rules.",
    "Only one range can resolve to Yes.",
    'Only one market will resolve to "Yes".',
    "At most one bracket can resolve to Yes.",
    "The ranges are mutually exclusive.",
    "Otherwise, the market resolves to No.",
)
RULES = (
    ("July 16, 2026", "Jul 16, 2026", 1),
    ("July 16, 2026", "2026-07-16", 1),
    ("July 16, 2026", "Jul. 16, 2026", None),
    ("°", " degrees", None),
    ("°", "°F", None),
    ("between 84-85°", "between 84° and 85°", 1),
    ("84-85°", "84-85 degrees", 1),
    ("84-85°", "84-85° inclusive", 1),
    ("greater than 87°", "above 87°", 3),
    ("the market resolves", "this market will resolve", None),
    ("for July", "on July", None),
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


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_harmless_sentence_loses_nothing_in_secondary_rules_or_after_the_condition(sentence: str) -> None:
    assert kept(secondary(temperature(), sentence))
    assert kept(changed(temperature(), lambda m: replace(m, rules_primary=f"{m.rules_primary} {sentence}")))
    assert kept(secondary(soccer(), sentence))
    assert not kept(secondary(price_range(), sentence))  # a coin without data


@pytest.mark.parametrize(("old", "new", "at"), RULES)
def test_another_spelling_of_the_same_rule_loses_nothing(old: str, new: str, at: int | None) -> None:
    assert kept(primary(temperature(), old, new, at))


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
