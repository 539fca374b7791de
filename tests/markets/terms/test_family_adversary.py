"""Families that look like one and are none: sentences that give a market another settlement than its strikes, forms that mix two values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family
from markets.terms.grades import Grade
from markets.terms.reading.forms import FormError, form_of
from markets.terms.registry.entry import NoDataRule
from tests.markets.terms.test_families import TERMS, thresholds
from tests.markets.terms.test_families import member as coin
from tests.markets.terms.test_family_forms import (
    GAME,
    GAMES,
    LEAVES,
    SPREAD,
    SPREADS,
    THEN,
    WINNER,
    WINS,
    dated,
    game,
    member,
    noted,
)
from tests.markets.terms.wording import PRICE_NOTE, PRICE_RULE, price_range

CANCELLED = (
    "Note 4/28/25: For the markets beginning after the May meeting, if a scheduled FOMC meeting is canceled and does not occur on its "
    'scheduled date, then the strike for "Before Jan 1, 2027" will resolve to Yes and all others will resolve to No.'
)
REGULATION = "Regulation time includes stoppage time, not extra time or penalties."
ONE_WINS = (
    "This market is mutually exclusive.",
    "These strikes do not overlap.",
    "All markets in this event are mutually exclusive and do not overlap.",
    "Only one bucket, at maximum, can resolve to Yes.",
    "At most one of these strikes may resolve to Yes.",
    "All other strikes resolve to No.",
    "Please note that only one of these markets can resolve to Yes.",
)


def refused(found: FamilyCertificate | FamilyRefusal) -> str:
    assert isinstance(found, FamilyRefusal), found
    assert found.sentence.endswith(".")
    return found.code


def certified(*members: Member) -> FamilyCertificate:
    found = certify_family(members)
    assert isinstance(found, FamilyCertificate), found
    return found


@pytest.mark.parametrize("sentence", ONE_WINS)
def test_thresholds_of_which_the_rules_let_one_win_are_no_ladder(sentence: str) -> None:
    """Above 54,399.99 implies above 54,299.99 by the strikes, and excludes it by the sentence: YES and NO of the two may both be lost."""
    note = f"{PRICE_NOTE} {sentence}"
    assert refused(certify_family([coin(price_range()), coin(thresholds(note=note))])) == "overlap"
    assert refused(certify_family([coin(thresholds(note=note))])) == "overlap"
    assert refused(certify_family([member(noted(dated("Jan 1, 2027", "Feb 1, 2027"), sentence))])) == "overlap"
    certified(coin(price_range(note=note)), coin(thresholds()))


@pytest.mark.parametrize("sentence", ["Exactly one of these ranges will resolve to Yes.", CANCELLED])
def test_a_sentence_by_which_a_market_wins_whatever_the_value_makes_no_family(sentence: str) -> None:
    ladder = dated("Jan 1, 2027", "Feb 1, 2027")
    assert refused(certify_family([member(noted(ladder, sentence))])) == "state_not_covered"


def test_exactly_one_range_wins_even_where_the_value_lies_between_two() -> None:
    note = f"{PRICE_NOTE} Exactly one of these ranges will resolve to Yes."
    assert refused(certify_family([coin(price_range(note=note)), coin(thresholds())])) == "state_not_covered"


def test_what_regulation_time_is_must_be_said_by_all_members_or_by_none() -> None:
    members = [member(WINNER, GAMES), member(SPREADS, GAMES)]
    certified(*members)
    certified(*(replace(one, facts=noted(one.facts, REGULATION)) for one in members))
    assert refused(certify_family([replace(members[0], facts=noted(WINNER, REGULATION)), members[1]])) == "rules_differ"


def test_two_games_of_one_day_that_nothing_distinguishes_are_no_family() -> None:
    """A double header whose rules name the day alone: who wins the first says nothing about the second."""
    second = replace(
        WINNER,
        event_ticker="KXGAME-A2",
        markets=tuple(replace(m, ticker=m.ticker.replace("-A-", "-A2-")) for m in WINNER.markets),
    )
    assert {m.ticker for m in second.markets}.isdisjoint(m.ticker for m in WINNER.markets)
    assert refused(certify_family([member(WINNER, GAMES), member(second, GAMES)])) == "listed_twice"
    found = certify_family([member(WINNER, GAMES), member(SPREADS, GAMES), member(second, GAMES)])
    assert refused(found) == "listed_twice"
    days = dated("Jan 1, 2027", "Feb 1, 2027")
    again = replace(
        days, event_ticker="KXLEAVE-B", markets=tuple(replace(m, ticker=f"{m.ticker}-B") for m in days.markets[:1])
    )
    assert refused(certify_family([member(days), member(again)])) == "listed_twice"


HALF = f"If {{side}} wins the first half of the {GAME}{THEN}"
SETS = f"If {{side}} wins the {GAME} by {{strike}} sets{THEN}"
BARE = f"If {{side}} wins the {GAME} by {{strike}}{THEN}"


def test_a_part_of_the_game_is_another_value_than_the_game() -> None:
    terms = replace(GAMES, forms=(HALF, SPREAD))
    half = game("KXGAME-A", (HALF, "Alpha", None), (HALF, "Beta", None), exclusive=True)
    assert refused(certify_family([member(half, terms), member(SPREADS, terms)])) == "rules_differ"


@pytest.mark.parametrize("other", [SETS, BARE])
def test_margins_in_two_units_are_two_values(other: str) -> None:
    """By more than 1.5 sets does not follow from by more than 3.5 games."""
    terms = replace(GAMES, forms=(WINS, SPREAD, other))
    sets = game("KXSETS-A", (other, "Alpha", "1.5"), (other, "Beta", "1.5"))
    sets = replace(sets, markets=tuple(replace(m, yes_sub_title="") for m in sets.markets))
    assert refused(certify_family([member(SPREADS, terms), member(sets, terms)])) == "measures_differ"
    certified(member(WINNER, terms), member(sets, terms))


@pytest.mark.parametrize(
    "text",
    [
        f"If {{side}} wins the {GAME} or it is cancelled{THEN}",
        f"If {{side}} wins or ties the {GAME}{THEN}",
        f"If {{side}} wins the {GAME} (a draw counts as a win){THEN}",
        f"If {{side}} wins the {GAME} or finishes level{THEN}",
        f"If the index is {{strike}} or trading is halted on {{day}}{THEN}",
        f"If the index is {{strike}} at any time on {{day}}{THEN}",
        f"If the index ever reaches {{strike}} on {{day}}{THEN}",
        f"If the index touches {{strike}} on {{day}}{THEN}",
        f"If either index is {{strike}} on {{day}}{THEN}",
    ],
)
def test_a_form_by_which_two_opposite_markets_may_both_win_is_none(text: str) -> None:
    with pytest.raises(FormError):
        form_of(text)


def index(ticker: str, rule: str, *strikes: tuple[str, str]) -> EventFacts:
    """Rows: (strike type, strike)."""
    words = {"greater": "more than", "less_or_equal": "at most"}
    markets = tuple(
        MarketFacts(
            f"{ticker}-{number}",
            strike_type=kind,
            floor_strike=Decimal(bound) if kind == "greater" else None,
            cap_strike=None if kind == "greater" else Decimal(bound),
            rules_primary=rule.replace("{strike}", f"{words[kind]} {bound}"),
            rules_secondary="Trading involves risk.",
        )
        for number, (kind, bound) in enumerate(strikes)
    )
    return EventFacts(ticker, ticker.partition("-")[0], False, "", markets)


def test_a_condition_beside_the_value_may_leave_every_market_without_its_yes() -> None:
    """Above and at most the same strike: one of them wins, unless what else the form asks for does not come about."""
    rule = f"If the index is {{strike}} in the first report and the report is published on time{THEN}"
    terms = replace(GAMES, forms=(rule,), no_data=NoDataRule.LAST_VALUE)
    found = certified(member(index("KXINDEX-A", rule, ("greater", "5"), ("less_or_equal", "5")), terms))
    assert found.nobody


@pytest.mark.parametrize("change", [lambda rule: rule, lambda rule: rule.replace("leaves", "joins or leaves")])
def test_whatever_happens_by_a_date_is_a_ladder(change: Callable[[str], str]) -> None:
    rule = change(LEAVES)
    terms = replace(GAMES, forms=(rule,))
    assert len(certified(member(dated("Jan 1, 2027", "Feb 1, 2027", rule=rule), terms)).atoms) == 3


OTHER_VALUES: dict[str, tuple[str, str]] = {
    "other hour": ("at 5 PM EDT on", "at 5 PM EST on"),
    "winter time": ("EDT", "EST"),
    "no zone": ("EDT", "ET"),
    "other window": ("sixty seconds", "sixty minutes"),
    "after": ("before 5", "after 5"),
    "weighted": ("simple average", "volume weighted average"),
    "last value": ("simple average of the sixty seconds", "last value"),
    "other index": ("Real-Time Index (BRTI)", "Reference Rate (BRR)"),
    "other unit": ("Index (BRTI)", "Index (BRTI) in EUR"),
    "other day": ("Jul 17", "Jul 18"),
    "other year": ("2026", "2027"),
    "at any time": ("is {} at", "is {} at any time before"),
    "rounded": ("is {}", "rounded to the nearest dollar is {}"),
    "denied": (" is {}", " is not {}"),
    "other letter": ("5 PM", "5 \N{CYRILLIC CAPITAL LETTER ER}M"),
    "hidden letter": ("5 PM", "5\N{ZERO WIDTH SPACE} PM"),
}
"""What one member's rule may say in place of the other's."""


@pytest.mark.parametrize("change", OTHER_VALUES.values(), ids=OTHER_VALUES)
def test_a_word_by_which_one_member_means_another_value_makes_no_family(change: tuple[str, str]) -> None:
    rule = PRICE_RULE.replace(*change)
    assert rule != PRICE_RULE
    refused(certify_family([coin(price_range()), coin(thresholds(rule=rule))]))


OWN_STATES = (
    "The value is rounded to the nearest dollar.",
    "Except that the market above $54,300 uses Binance.",
    "If no data is available, the market resolves to the last price.",
    "If the index is delayed, the next value counts.",
    "If trading is halted the contract is void.",
    "A value equal to the strike counts as above.",
    "The strike of this market was changed to $54,250.",
    "The first market whose strike is reached resolves to Yes.",
    "All markets resolve to Yes if the value is unavailable.",
    "Not all markets resolve to No if no data is available.",
)
"""What the rules of one member, or of all, may add."""


@pytest.mark.parametrize("sentence", OWN_STATES)
def test_a_sentence_that_is_not_read_or_adds_a_state_makes_no_family(sentence: str) -> None:
    note = f"{PRICE_NOTE} {sentence}"
    refused(certify_family([coin(price_range()), coin(thresholds(note=note))]))
    refused(certify_family([coin(price_range(note=note)), coin(thresholds(note=note))]))


@pytest.mark.parametrize(
    ("days", "is_family"),
    [
        (("2026-07-17", "2026-07-17"), True),
        (("2026-07-18", "2026-07-18"), True),  # in UTC an evening in New York is the next day
        (("2026-07-17", "2026-07-18"), False),
        (("2026-07-17", ""), True),
    ],
)
def test_members_that_the_exchange_dates_differently_are_no_family(days: tuple[str, str], is_family: bool) -> None:
    """Each agrees with its own rules; together they say two days."""
    members = [
        coin(replace(facts, strike_date=day)) for facts, day in zip((price_range(), thresholds()), days, strict=True)
    ]
    found = certify_family(members)
    assert isinstance(found, FamilyCertificate) is is_family
    if not is_family:
        assert refused(found) == "strike_differs"


INDEX = "CF Benchmarks' Bitcoin Real-Time Index (BRTI)"
OTHER_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "source": (
        (INDEX, "CF Benchmarks' Bitcoin Reference Rate (BRR)"),
        (INDEX, "Coinbase's Bitcoin Real-Time Index (BRTI)"),
        (INDEX, "CF Benchmarks' Bitcoin Real-Time Index (BRTI-2)"),
        (INDEX, "CF Benchmarks' Bitcoin Spot Rate (BRTI)"),
        (INDEX, "CF Benchmarks' Bitcoin Cash Real-Time Index (BCHUSD_RTI)"),
        (INDEX, "Kaiko's BTC-USD"),
    ),
    "instant": (
        ("5 PM EDT is", "4 PM EDT is"),
        ("at 5 PM EDT on", "at 5:01 PM EDT on"),
        ("5 PM EDT", "5 AM EDT"),
        ("5 PM EDT", "17:00 UTC"),
        ("5 PM EDT", "5 PM PDT"),
        ("5 PM EDT", "5 PM"),
        ("at 5 PM EDT on", "by 5 PM EDT on"),
        ("at 5 PM EDT on", "shortly after 5 PM EDT on"),
        ("Jul 17, 2026", "Jul 17, 2025"),
        ("Jul 17, 2026", "Jul 16, 2026"),
        ("Jul 17, 2026", "Jul 17"),
    ),
    "averaging": (
        ("simple average", "median"),
        ("simple average", "time-weighted average"),
        ("simple average", "maximum"),
        ("simple average of the sixty seconds of", "first value of"),
        ("the simple average", "the simple average of the daily average"),
        ("sixty seconds", "thirty seconds"),
        ("sixty seconds", "61 seconds"),
        ("sixty seconds", "last sixty trades"),
        ("before 5 PM", "following 5 PM"),
    ),
    "rounding": (
        (" is {}", " rounded to two decimals is {}"),
        (" is {}", " truncated to whole dollars is {}"),
        (" is {}", ", to the nearest cent, is {}"),
        (" is {}", " is approximately {}"),
        (" is {}", " in thousands is {}"),
    ),
    "inclusiveness": ((" is {}", " is {} or equal"), (" is {}", " is no {}"), (" is {}", " is not less and {}")),
}
OTHER_SENTENCES: dict[str, tuple[str, ...]] = {
    "precision": (
        "Values are rounded to two decimal places.",
        "The value is truncated to whole dollars.",
        "Values are rounded half up.",
        "For this market values are reported in whole dollars.",
        "Decimals are ignored.",
    ),
    "inclusiveness": (
        "A value equal to the strike resolves to No.",
        "Both ends are included.",
        "The upper end is excluded.",
        "Above means at or above.",
        "If the value is exactly at the strike, the market resolves 50/50.",
    ),
    "early close": (
        "This market closes when the price first exceeds the strike.",
        "If the strike is reached before expiration, the market resolves to Yes early.",
        "This market may be settled early at the exchange's estimate.",
        "If the market closes early, the last value before the close counts.",
        "The market resolves to Yes as soon as the value is above the strike.",
    ),
    "cancel": (
        "If the index is discontinued, the market is cancelled and all money is returned.",
        "If the market is cancelled, positions are refunded.",
        "The exchange may void this market.",
        "If the index is unavailable at 5 PM, another index counts.",
        "If the hour is cancelled, the next hour counts.",
        "In case of a fork, the exchange chooses the chain.",
    ),
    "no data": (
        "If no data is available, the market resolves to Yes.",
        "If no data is available, the market resolves to the last traded price.",
        "If fewer than thirty values are published, the market resolves to No.",
        "If data are missing, only the values that exist are averaged.",
        "If no data is available, each market resolves to its fair price.",
        "If no data is available, the lowest market resolves to Yes and all others resolve to No.",
    ),
    "No of one strike": (
        "If no data is available, affected strikes resolve to Yes.",
        "If a strike is not reported, that strike resolves to its last price.",
        "Strikes above the daily high resolve to No.",
        "Strikes that were added later resolve by the next value.",
        "The strike closest to the value resolves to Yes.",
    ),
}


@pytest.mark.parametrize("clause", OTHER_WORDS)
def test_words_of_one_member_that_mean_another_value_are_named(clause: str) -> None:
    for words, other in OTHER_WORDS[clause]:
        rule = PRICE_RULE.replace(words, other)
        assert rule != PRICE_RULE
        found = certify_family([coin(price_range()), coin(thresholds(rule=rule))])
        assert refused(found) in {"rules_unread", "rules_differ", "source_differs"}, other
        assert isinstance(found, FamilyRefusal)
        assert all(word in found.sentence for word in other.replace("{}", "").split()), (other, found.sentence)


@pytest.mark.parametrize("clause", OTHER_SENTENCES)
def test_a_sentence_of_one_member_or_of_all_that_is_not_read_is_named(clause: str) -> None:
    for sentence in OTHER_SENTENCES[clause]:
        note = f"{PRICE_NOTE} {sentence}"
        for ranges in (price_range(), price_range(note=note)):
            found = certify_family([coin(ranges), coin(thresholds(note=note))])
            assert refused(found) == "sentence_unread", sentence
            assert isinstance(found, FamilyRefusal)
            assert sentence in found.sentence


def test_two_rules_that_differ_are_shown_by_the_words_in_which_they_do() -> None:
    other = thresholds(rule=PRICE_RULE.replace("5 PM EDT", "5 AM EDT"))
    found = certify_family([coin(price_range()), coin(other)])
    assert isinstance(found, FamilyRefusal)
    assert '"PM EDT is {} at 5 PM" and "AM EDT is {} at 5 AM"' in found.sentence


@pytest.mark.parametrize("rule", [NoDataRule.UNKNOWN, NoDataRule.DISCRETION])
def test_terms_that_leave_missing_data_open_promise_no_more_than_terms_that_nobody_approved(rule: NoDataRule) -> None:
    """What a source may leave open counts until terms say what takes its place: any market may resolve No by itself."""
    terms = replace(TERMS, no_data=rule)
    found = certified(coin(price_range(), terms), coin(thresholds(), terms))
    assert (found.grade, found.nobody, found.any_no) == (Grade.IF_DETERMINED, True, True)
    assert not certified(coin(price_range()), coin(thresholds())).any_no
