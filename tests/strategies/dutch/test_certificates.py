"""Certificates: what must have a winner gets one, and a list of traps does not."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from markets.terms.exhaustiveness import (
    Certificate,
    EventFacts,
    Evidence,
    MarketFacts,
    Refusal,
    ReviewedSeries,
    ReviewShape,
    certify,
)

SERIES = "KXTEST"
TIE_SPLITS = "If the game ends in a tie, the markets will resolve to 50/50."
CANCELLED = "If the game is cancelled, the market will resolve to a fair price in accordance with the rules."


def event(
    *markets: MarketFacts, title: str = "", exclusive: bool = True, collateral: str = "MECNET", **more: Any
) -> EventFacts:
    return EventFacts(f"{SERIES}-1", SERIES, exclusive, collateral, markets, title, **more)


def strike(
    kind: str, floor: float | str | None = None, cap: float | str | None = None, title: str = "", **more: Any
) -> MarketFacts:
    low, high = (None if strike is None else Decimal(str(strike)) for strike in (floor, cap))
    return MarketFacts(f"{SERIES}-1-{kind}{low}{high}", "active", kind, low, high, title, **more)


def named(*names: str, rules: str = "", secondary: str = "") -> list[MarketFacts]:
    return [
        MarketFacts(
            f"{SERIES}-1-{i}",
            yes_sub_title=name,
            strike_type="structured",
            rules_primary=rules.format(name) if rules else "",
            rules_secondary=secondary,
        )
        for i, name in enumerate(names)
    ]


def with_rules(markets: list[MarketFacts], at: int, rules: str) -> list[MarketFacts]:
    return [replace(m, rules_primary=rules) if i == at else m for i, m in enumerate(markets)]


TEMPERATURE = [
    strike("less", cap=84, title="83° or below"),
    strike("between", 84, 85, "84° to 85°"),
    strike("between", 86, 87, "86° to 87°"),
    strike("greater", floor=87, title="88° or above"),
]
PRICE = [
    strike("less", cap=54200),
    strike("between", 54200, "54299.99"),
    strike("between", 54300, "54399.99"),
    strike("greater", floor="54399.99"),
]
GAME = "If {} wins the Alphas vs Betas game, then the market resolves to Yes."
REVIEW = ReviewedSeries(SERIES, ReviewShape.TWO_WAY, 2, "a reviewer", "Two teams, one wins.", tie_impossible=True)
CLOSED = ReviewedSeries(
    SERIES, ReviewShape.EXHAUSTIVE, 3, "a reviewer", "Hike, hold or cut.", frozenset({"hikes", "maintains", "cuts"})
)


@pytest.mark.parametrize(
    "facts, kind",
    [
        (event(*TEMPERATURE), Evidence.TILING),
        (event(*reversed(TEMPERATURE)), Evidence.TILING),
        (event(*PRICE), Evidence.TILING),
        (event(strike("less_or_equal", cap="3.9"), strike("greater", floor="3.9")), Evidence.TILING),
        (event(strike("less", cap=10), strike("greater_or_equal", floor=10)), Evidence.TILING),
        (
            event(
                strike("less", cap=-4, title="-5° or below"),
                strike("between", -4, -3, "-4° to -3°"),
                strike("greater", floor=-3, title="-2° or above"),
            ),
            Evidence.TILING,
        ),
        (event(*named("Alphas", "Betas", "Tie", rules=GAME), title="Alphas vs Betas Winner?"), Evidence.CATCH_ALL),
        (
            event(*named("Reg Time: Alphas", "Reg Time: Betas", "Reg Time: Tie"), title="Alphas vs Betas"),
            Evidence.CATCH_ALL,
        ),
        (event(*named("Increase", "No change", "Decrease")), Evidence.CATCH_ALL),
        (
            event(
                *with_rules(
                    named("Red", "Blue", "Other"), 2, "If any other colour is chosen, this market resolves to Yes."
                )
            ),
            Evidence.CATCH_ALL,
        ),
    ],
)
def test_an_event_that_must_have_a_winner_gets_a_certificate(facts: EventFacts, kind: Evidence) -> None:
    found = certify(facts)
    assert isinstance(found, Certificate), found
    assert found.kind is kind
    assert found.evidence
    assert found.covers(facts)


def test_a_reviewed_game_gets_a_certificate_if_a_tie_is_dealt_with() -> None:
    game = event(*named("Alphas", "Betas", rules=GAME))
    assert isinstance(certify(game, REVIEW), Certificate)
    splits = event(*named("Alphas", "Betas", rules=GAME, secondary=TIE_SPLITS))
    found = certify(splits, replace(REVIEW, tie_impossible=False))
    assert isinstance(found, Certificate)
    assert found.terms.split


def test_a_reviewed_list_of_outcomes_must_be_the_one_reviewed() -> None:
    assert isinstance(certify(event(*named("Hikes", "Maintains", "Cuts")), CLOSED), Certificate)


def test_a_certificate_names_the_void_that_the_rules_allow() -> None:
    found = certify(event(*named("Alphas", "Betas", "Tie", rules=GAME, secondary=CANCELLED), title="Alphas vs Betas"))
    assert isinstance(found, Certificate)
    assert found.terms.void
    assert found.terms.quotes == (CANCELLED,)


def changed(at: int, **more: Any) -> list[MarketFacts]:
    return [replace(m, **more) if i == at else m for i, m in enumerate(TEMPERATURE)]


NOMINEES = named(
    "Candidate A", "Candidate B", "Candidate C", rules="If {} wins the nomination, the market resolves to Yes."
)
NAMES = named("Cardinal A", "Cardinal B", rules="If {} is the next pope, the market resolves to Yes.")

TRAPS = {
    "nominees of a party, others may come": (event(*NOMINEES), "no_evidence"),
    "next pope, the one chosen is not listed": (event(*NAMES), "no_evidence"),
    "another candidate of a party is not everybody else": (
        event(*named("Candidate A", "Candidate B", "Another Republican")),
        "no_evidence",
    ),
    "an other leg whose rules are unknown": (event(*named("Candidate A", "Candidate B", "Other")), "catch_all_unclear"),
    "an other leg whose rules name one person": (
        event(*with_rules(NOMINEES[:2] + named("", "", "Other")[2:], 2, "If Candidate D wins, this resolves to Yes.")),
        "catch_all_unclear",
    ),
    "an other leg with a deadline": (
        event(
            *with_rules(
                named("Cardinal A", "Cardinal B", "Other"), 2, "If any other person is elected before Jan 1, Yes."
            )
        ),
        "catch_all_limited",
    ),
    "two legs for the rest": (event(*named("Red", "Other", "Neither")), "catch_all_unclear"),
    "nobody is announced: not the same as nobody of these": (
        event(*named("Red", "Blue", "No announcement")),
        "no_evidence",
    ),
    "no change beside steps of 25": (event(*named("Hike 25bps", "No change", "Cut 25bps")), "no_evidence"),
    "a game of two with a possible tie, not reviewed": (event(*named("Alphas", "Betas", rules=GAME)), "no_evidence"),
    "a game of two, reviewed, tie open": (
        event(*named("Alphas", "Betas", rules=GAME)),
        "tie_possible",
        replace(REVIEW, tie_impossible=False),
    ),
    "a game of two where a tie pays nobody": (
        event(
            *named("Alphas", "Betas", rules=GAME, secondary="If the game ends in a tie, both markets resolve to No.")
        ),
        "nobody_possible",
        REVIEW,
    ),
    "half a dollar on cancellation says nothing about a tie": (
        event(*named("Alphas", "Betas", rules=GAME, secondary="If the game is cancelled, the markets resolve 50/50.")),
        "tie_possible",
        replace(REVIEW, tie_impossible=False),
    ),
    "a review of two sides for an event of three": (event(*named("A", "B", "C")), "review_differs", REVIEW),
    "a review of another list of outcomes": (event(*named("Hikes", "Maintains", "Resigns")), "review_differs", CLOSED),
    "a review of another series": (event(*named("A", "B")), "no_evidence", replace(REVIEW, series_ticker="KXOTHER")),
    "win, win and tie of other sides than in the title": (
        event(*named("Alphas", "Gammas", "Tie"), title="Alphas vs Betas Winner?"),
        "tie_unclear",
    ),
    "win by more than a goal, or a tie": (
        event(
            *named("Alphas", "Betas", "Tie", rules="If {} wins Alphas vs Betas by more than 1 goal, Yes."),
            title="Alphas vs Betas",
        ),
        "tie_unclear",
    ),
    "a tie after 90 minutes beside a win after penalties": (
        event(
            *with_rules(
                named("Alphas", "Betas", "Tie", rules="If {} wins Alphas vs Betas including penalties, Yes."),
                2,
                "If Alphas vs Betas is level after 90 minutes, Yes.",
            ),
            title="Alphas vs Betas",
        ),
        "tie_unclear",
    ),
    "a tie among four": (event(*named("A", "B", "C", "Tie"), title="A vs B"), "tie_unclear"),
    "a ladder of thresholds": (
        event(strike("greater", 1), strike("greater", 2), strike("greater", 3), exclusive=False, collateral="DIRECNET"),
        "not_exclusive",
    ),
    "a ladder that calls itself exclusive": (
        event(strike("greater", 1), strike("greater", 2), collateral="DIRECNET"),
        "not_exclusive",
    ),
    "exclusive by one field only": (event(*TEMPERATURE, collateral=""), "not_exclusive"),
    "not exclusive although it tiles": (event(*TEMPERATURE, exclusive=False), "not_exclusive"),
    "the upper end is missing": (event(*TEMPERATURE[:-1]), "open_ends"),
    "the lower end is missing": (event(*TEMPERATURE[1:]), "open_ends"),
    "a middle range is missing": (event(*TEMPERATURE[:1], *TEMPERATURE[2:]), "gap"),
    "a leg settled early": (event(*changed(1, status="finalized", result="no")), "leg_not_active"),
    "a leg paused": (event(*changed(1, status="inactive")), "leg_not_active"),
    "a leg known from before is absent": (event(*TEMPERATURE, expected_market_count=5), "missing_legs"),
    "one leg only": (event(TEMPERATURE[0]), "too_few_legs"),
    "thresholds the wrong way round": (
        event(strike("less", cap=90, title="89° or below"), strike("greater", floor=80, title="81° or above")),
        "overlap",
    ),
    "open ends exchanged": (
        event(strike("greater", floor=83, title="84° or above"), strike("between", 84, 85), strike("less", cap=84)),
        "overlap",
    ),
    "overlapping ranges": (event(*TEMPERATURE, strike("between", 85, 86, "85° to 86°")), "overlap"),
    "a range listed twice": (event(*TEMPERATURE, replace(TEMPERATURE[1], ticker="again")), "duplicate_leg"),
    "a ticker listed twice": (event(*TEMPERATURE, TEMPERATURE[1]), "duplicate_leg"),
    "a hole of one unit": (event(TEMPERATURE[0], strike("between", 85, 87, "85° to 87°"), TEMPERATURE[3]), "gap"),
    "a hole at a bound that both sides exclude": (event(strike("less", cap=10), strike("greater", floor=10)), "gap"),
    "whole strikes, but nobody says that values are whole": (
        event(*(replace(m, yes_sub_title="") for m in TEMPERATURE)),
        "gap_unconfirmed",
    ),
    "words say half degrees count": (
        event(replace(TEMPERATURE[0], yes_sub_title="83.9° or below"), *TEMPERATURE[1:]),
        "gap_unconfirmed",
    ),
    "gaps of two sizes": (
        event(
            strike("less", cap=1),
            strike("between", 1, "1.99"),
            strike("between", "2.00", "2.999"),
            strike("between", "3.000", 4),
            strike("greater", floor=4),
        ),
        "gap",
    ),
    "strikes finer than the gap between them": (
        event(
            strike("less", cap="0.005"),
            strike("between", "0.005", "0.995"),
            strike("between", "1.005", "2"),
            strike("greater", floor=2),
        ),
        "gap",
    ),
    "a range without an end": (event(*TEMPERATURE[:2], strike("between", 86, None), TEMPERATURE[3]), "strike_missing"),
    "a strike that is not a number": (event(*TEMPERATURE[:3], strike("greater", floor="NaN")), "strike_missing"),
    "words point the other way": (
        event(replace(TEMPERATURE[0], yes_sub_title="85° or above"), *TEMPERATURE[1:]),
        "rules_disagree",
    ),
    "words name another range": (
        event(TEMPERATURE[0], replace(TEMPERATURE[1], yes_sub_title="81° to 82°"), *TEMPERATURE[2:]),
        "rules_disagree",
    ),
    "rules name another strike": (
        event(*changed(3, rules_primary="If the highest temperature is greater than 89°, Yes.")),
        "rules_disagree",
    ),
    "rules include a bound that the strike type leaves out": (
        event(*changed(3, rules_primary="If the highest temperature is at least 87°, Yes.")),
        "rules_disagree",
    ),
    "rules in which all may lose": (
        event(*changed(0, rules_secondary="If no report is published, all markets resolve to No.")),
        "nobody_possible",
    ),
    "a provisional market": (event(*changed(0, is_provisional=True)), "provisional"),
    "a scalar market": (event(*changed(0, market_type="scalar")), "not_binary"),
    "a combination of markets": (event(*changed(0, is_combo=True)), "combo"),
    "numbers and names mixed": (event(*TEMPERATURE, *named("Other")), "mixed_strikes"),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_no_certificate_for_an_event_without_a_certain_winner(trap: tuple[Any, ...]) -> None:
    facts, code, *review = trap
    found = certify(facts, *review)
    assert isinstance(found, Refusal), "a certificate was given"
    assert found.code == code, found.sentence
    assert found.sentence


def test_the_trap_list_is_long_enough() -> None:
    assert len(TRAPS) >= 30


CHANGES = {
    "rules revised": event(*changed(1, rules_primary="Between 84 and 85, revised.")),
    "secondary rules revised": event(*changed(1, rules_secondary="Revised.")),
    "a strike moved": event(*changed(1, cap_strike=Decimal("85.5"))),
    "a market added": event(*TEMPERATURE, strike("between", 90, 91)),
    "a market gone": event(*TEMPERATURE[1:]),
    "settled early": event(*changed(0, status="finalized", result="no")),
    "paused": event(*changed(0, status="inactive")),
    "not exclusive any more": event(*TEMPERATURE, exclusive=False),
    "netting changed": event(*TEMPERATURE, collateral="DIRECNET"),
    "renamed": event(*changed(0, yes_sub_title="82° or below")),
}


@pytest.mark.parametrize("now", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_the_facts_voids_a_certificate(now: EventFacts) -> None:
    found = certify(event(*TEMPERATURE))
    assert isinstance(found, Certificate)
    assert not found.covers(now)


def test_order_and_spelling_of_the_same_facts_do_not_void_it() -> None:
    found = certify(event(*TEMPERATURE))
    same = [replace(m, cap_strike=m.cap_strike and m.cap_strike + Decimal("0.00")) for m in reversed(TEMPERATURE)]
    assert isinstance(found, Certificate)
    assert found.covers(event(*same))
