"""Certificates: what was read gets its list of settlement states; what was not read, or does not agree with itself, gets none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kalbot.common.units import CONTRACT, DOLLAR
from markets.book import Side
from markets.terms.exhaustiveness import Certificate, Evidence, Refusal, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import EventFacts
from markets.terms.grades import Grade
from markets.terms.registry.entry import NoDataRule, RegisteredTerms
from markets.terms.states import StateKind, floor
from tests.markets.terms.wording import (
    CANCELLED,
    MATCH_NOTE,
    TIE_SPLITS,
    WEATHER_NOTE,
    baseball,
    changed,
    listed,
    price_range,
    primary,
    secondary,
    soccer,
    stated,
    temperature,
)

TERMS = RegisteredTerms(
    "https://terms/T.pdf", "0" * 64, True, NoDataRule.LAST_VALUE, "T v1", common_determination="One daily report."
)
NOMINEE_RULE = "If {} wins the vote originally scheduled for Jul 9, 2026, then the market resolves to Yes."
NOTE = "This market is mutually exclusive."
REVIEW = stated(
    ReviewedSeries(
        "KXNAMED",
        ReviewShape.EXHAUSTIVE,
        "a reviewer",
        "Three options, one is chosen.",
        frozenset({"hikes", "maintains", "cuts"}),
        "If {outcome} wins the vote originally scheduled for {date}, then the market resolves to Yes.",
    )
)
SIDES = ReviewedSeries(
    "KXMLBGAME",
    ReviewShape.TWO_WAY,
    "a reviewer",
    "Extra innings.",
    frozenset({"alphas", "betas", "gammas"}),
    tie_impossible=True,
)


def given(
    facts: EventFacts, reviewed: ReviewedSeries | None = None, terms: RegisteredTerms | None = None
) -> Certificate:
    found = certify(facts, reviewed, terms)
    assert isinstance(found, Certificate), found.sentence
    return found


def pays(certificate: Certificate, side: Side) -> float:
    legs = [(ticker, side, CONTRACT) for ticker in certificate.states.outcomes]
    return floor(legs, certificate.states) / DOLLAR


def test_whole_degrees_that_are_tiled_have_one_winner() -> None:
    found = given(temperature())
    assert found.kind is Evidence.TILING
    assert found.states.kinds() == {StateKind.WINNER}
    assert (pays(found, Side.YES), pays(found, Side.NO)) == (1, 3)
    assert found.side_grade(Side.YES) is found.side_grade(Side.NO) is Grade.IF_DETERMINED
    assert found.covers(temperature())


def test_ranges_of_a_coin_may_all_resolve_no_so_only_the_no_side_has_a_grade() -> None:
    found = given(price_range())
    assert found.kind is Evidence.EXCLUSIVE
    assert (pays(found, Side.YES), pays(found, Side.NO)) == (0, 3)
    assert found.side_grade(Side.YES) is Grade.CONDITIONAL
    assert found.side_grade(Side.NO) is Grade.IF_DETERMINED


def test_a_game_with_a_market_for_the_tie_has_one_winner_until_it_may_be_voided() -> None:
    assert given(soccer()).kind is Evidence.GAME
    assert pays(given(soccer()), Side.YES) == 1
    voidable = given(secondary(soccer(), CANCELLED))
    assert voidable.states.kinds() == {StateKind.WINNER, StateKind.VOID}
    assert pays(voidable, Side.YES) == pays(voidable, Side.NO) == 0
    assert CANCELLED in [state.quote for state in voidable.states.states]


def test_two_sides_without_a_review_may_both_lose() -> None:
    found = given(baseball())
    assert found.kind is Evidence.EXCLUSIVE
    assert (pays(found, Side.YES), pays(found, Side.NO)) == (0, 1)


def test_a_reviewed_game_has_a_winner_if_a_tie_is_dealt_with() -> None:
    assert pays(given(baseball(), SIDES), Side.YES) == 1
    open_tie = replace(SIDES, tie_impossible=False)
    assert pays(given(baseball(), open_tie), Side.YES) == 0
    splits = given(secondary(baseball(), TIE_SPLITS), open_tie)
    assert StateKind.SPLIT in splits.states.kinds()
    assert (pays(splits, Side.YES), pays(splits, Side.NO)) == (1, 1)


def test_a_reviewed_list_must_have_the_names_and_the_rule_that_were_reviewed() -> None:
    facts = listed(("Hikes", "Maintains", "Cuts"), NOMINEE_RULE, NOTE)
    assert given(facts, REVIEW).kind is Evidence.REVIEWED
    assert pays(given(facts, REVIEW), Side.YES) == 1
    other = listed(("Hikes", "Maintains", "Resigns"), NOMINEE_RULE, NOTE)
    for refused, review in (
        (other, REVIEW),
        (facts, replace(REVIEW, rule="")),
        (facts, replace(REVIEW, series_ticker="KXOTHER")),
        (facts, replace(REVIEW, rule="If {outcome} wins, then the market resolves to Yes.")),
        (changed(facts, lambda m: replace(m, rules_primary=m.rules_primary.replace("vote", "first vote")), 0), REVIEW),
        (secondary(facts, "The chair may void the vote."), REVIEW),
    ):
        assert isinstance(certify(refused, review), Refusal)


def test_a_review_says_nothing_of_sides_that_it_does_not_name() -> None:
    found = certify(baseball(), replace(SIDES, outcomes=frozenset({"alphas", "gammas"})))
    assert isinstance(found, Refusal)
    assert found.code == "review_differs"


def test_only_terms_that_a_person_approved_make_guaranteed_possible() -> None:
    assert given(temperature(), terms=TERMS).side_grade(Side.YES) is Grade.GUARANTEED
    assert given(temperature(), terms=replace(TERMS, approved=False)).grade is Grade.IF_DETERMINED
    assert given(temperature()).grade is Grade.IF_DETERMINED


@pytest.mark.parametrize(
    "change, grade, yes, no",
    [
        ({"no_data": NoDataRule.ALL_NO}, Grade.GUARANTEED, 0, 3),
        ({"no_data": NoDataRule.PER_STRIKE_NO}, Grade.GUARANTEED, 0, 3),
        ({"no_data": NoDataRule.LAST_PRICE}, Grade.GUARANTEED, 0, 0),
        ({"no_data": NoDataRule.LAST_VALUE}, Grade.GUARANTEED, 1, 3),
        ({"no_data": NoDataRule.DISCRETION}, Grade.IF_DETERMINED, 1, 3),
        ({"no_data": NoDataRule.UNKNOWN}, Grade.IF_DETERMINED, 1, 3),
        ({"must_contain": ("National Weather Service",)}, Grade.GUARANTEED, 1, 3),
        ({"must_contain": ("The Weather Company",)}, Grade.IF_DETERMINED, 1, 3),
        ({"must_not_contain": ("preliminary NWS data",)}, Grade.IF_DETERMINED, 1, 3),
        ({"unit": Decimal("0.1")}, Grade.GUARANTEED, 0, 3),
        ({"approved": False, "unit": Decimal("0.1")}, Grade.IF_DETERMINED, 0, 3),
        ({"approved": False, "unit": Decimal(5)}, Grade.IF_DETERMINED, 1, 3),
        ({"common_determination": " "}, Grade.CONDITIONAL, 1, 3),
        ({"approved": False, "common_determination": ""}, Grade.IF_DETERMINED, 1, 3),
        ({"approved": False, "no_data": NoDataRule.ALL_NO}, Grade.IF_DETERMINED, 0, 3),
    ],
    ids=str,
)
def test_registered_terms_add_states_and_cap_the_grade(
    change: dict[str, object], grade: Grade, yes: float, no: float
) -> None:
    found = given(temperature(), terms=replace(TERMS, **change))  # type: ignore[arg-type]  # columns by name
    assert (found.grade, pays(found, Side.YES), pays(found, Side.NO)) == (grade, yes, no)
    assert bool(found.residual) == (change.get("no_data") in (NoDataRule.DISCRETION, NoDataRule.UNKNOWN))


def test_terms_that_leave_out_a_bound_of_between_contradict_the_strikes() -> None:
    assert isinstance(certify(temperature(), None, replace(TERMS, between_inclusive=False)), Refusal)


def test_otherwise_no_in_each_leg_loses_nothing() -> None:
    sentence = "Otherwise, the market resolves to No."
    for facts in (
        secondary(temperature(), sentence),
        primary(temperature(), "resolves to Yes.", f"resolves to Yes. {sentence}"),
    ):
        assert given(facts).states == given(temperature()).states


@pytest.mark.parametrize(
    "more, kinds, yes, no",
    [
        ("If no data is available, all markets will resolve to No.", {StateKind.NONE}, 0, 3),
        ("If no data is available, affected strikes resolve to No.", {StateKind.NONE, StateKind.ANY_NO}, 0, 3),
        (
            "If two or more nominees are tied, each of the tied nominees will resolve to Yes.",
            {StateKind.SEVERAL},
            1,
            0,
        ),
        ("If the event is cancelled, all markets will settle at their last trade price.", {StateKind.VOID}, 0, 0),
    ],
)
def test_a_sentence_that_is_read_adds_its_state(more: str, kinds: set[StateKind], yes: float, no: float) -> None:
    found = given(secondary(temperature(), more))
    assert kinds <= found.states.kinds()
    assert (pays(found, Side.YES), pays(found, Side.NO)) == (yes, no)


def test_discretion_in_the_rules_caps_the_grade_and_is_printed() -> None:
    sentence = "All markets may be settled at a fair price in the sole discretion of the Exchange."
    found = given(secondary(temperature(), sentence), terms=TERMS)
    assert found.grade is Grade.IF_DETERMINED
    assert found.residual == (sentence,)


CHANGES = {
    "rules revised": primary(temperature(), "July 16", "July 17", 1),
    "secondary rules revised": secondary(temperature(), "Revised.", 1),
    "a strike moved": changed(temperature(), lambda m: replace(m, cap_strike=Decimal("85.5")), 1),
    "a market gone": replace(temperature(), markets=temperature().markets[1:]),
    "settled early": changed(temperature(), lambda m: replace(m, status="finalized", result="no"), 0),
    "paused": changed(temperature(), lambda m: replace(m, status="inactive"), 0),
    "not exclusive any more": replace(temperature(), mutually_exclusive=False),
    "netting changed": replace(temperature(), collateral_return_type="DIRECNET"),
    "renamed": changed(temperature(), lambda m: replace(m, yes_sub_title="82° or below"), 0),
}


@pytest.mark.parametrize("now", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_the_facts_voids_a_certificate(now: EventFacts) -> None:
    assert not given(temperature()).covers(now)


def test_order_and_spelling_of_the_same_facts_do_not_void_it() -> None:
    same = tuple(
        replace(m, cap_strike=m.cap_strike and m.cap_strike + Decimal("0.00")) for m in reversed(temperature().markets)
    )
    assert given(temperature()).covers(replace(temperature(), markets=same))


def test_secondary_rules_that_introduce_the_game_are_read() -> None:
    assert given(baseball(MATCH_NOTE + " " + TIE_SPLITS)).kind is Evidence.EXCLUSIVE
    assert WEATHER_NOTE in temperature().markets[0].rules_secondary
