"""A position across events after it was bought: sold in part, settled at odd values, corrected, its certificate gone; on the twin."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kalbot.common import clock
from kalbot.console.notify import collect
from kalbot.console.pages.positions import explained, position_story
from markets.catalogue import families as grouped
from markets.models import Certificate, Event, Market
from markets.terms import certificates
from markets.terms.grades import Grade
from tests.trading import families, world
from tests.trading.families import FAMILY
from tests.trading.test_family_baskets import Pair, agree, bought, pair, profile
from trading import premises, selectors
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Position

__all__ = ["pair"]
VALUES: Final = {"x < 100": (0,), "100 <= x <= 109.99": (1,), "109.99 < x < 110": (1, 2), "110 <= x": (2,)}
"""Value -> which of the three legs pay."""
PARTS: Final = {"one leg": (0,), "the legs of one event": (0, 1), "the leg of the other event": (2,)}


def legs_of(position: Position) -> list[Any]:
    return list(position.legs.order_by("market_id"))


def held(position: Position) -> selectors.Held:
    return selectors.held_now(Position.objects.get(pk=position.pk))


def settle(pair: Pair, ticker: str, result: str, value: int | None = None) -> None:
    next(twin for twin in pair if ticker in twin.markets).settle(ticker, result, value)
    settlement.run()


@pytest.mark.parametrize("part", PARTS)
def test_what_is_left_of_a_basket_pays_what_its_own_legs_pay_at_each_value(pair: Pair, part: str) -> None:
    """Sold by a person, leg by leg; what stays is named with what it pays, drawn, and settles at the value with the most pay."""
    position = bought(pair)
    legs = legs_of(position)
    counts = {(legs[n].market_id, legs[n].side): legs[n].held for n in PARTS[part]}
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor="hers")
    position = executor.step(position.pk)
    left = [n for n in range(3) if n not in PARTS[part]]
    now = held(position)
    assert position.status == "open", position.residual
    assert [one.leg.market_id for one in now.legs] == [legs[n].market_id for n in left]
    pays = {value: 10 * world.DOLLAR * len(set(paying) & set(left)) for value, paying in VALUES.items()}
    assert {row.state.quote: row.pays for row in now.payoff} == pays
    assert (now.floor, position.floor, position.guaranteed) == (min(pays.values()), 0, False)
    assert now.grade is Grade.CONDITIONAL
    plot = position_story.plot_of(position, now)
    assert plot is not None
    assert "least $0.00 where" in plot.words
    assert "it can lose" in position_story.in_words(position, now, {})
    agree(position.profile)
    best = max(pays, key=lambda value: pays[value])
    for number, leg in enumerate(legs):
        settle(pair, leg.market_id, "yes" if number in VALUES[best] else "no")
        agree(position.profile)
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", pays[best])


def test_half_of_a_basket_is_as_sure_as_the_whole(pair: Pair) -> None:
    position = bought(pair)
    counts = {(leg.market_id, leg.side): leg.held // 2 for leg in legs_of(position)}
    exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor="hers")
    position = executor.step(position.pk)
    assert (position.status, held(position).floor, held(position).naked) == ("open", 5 * world.DOLLAR, ())
    assert held(position).grade is Grade.GUARANTEED
    agree(position.profile)


@pytest.mark.parametrize(
    ("first", "result", "lines", "greyed", "words"),
    [
        (0, "no", 1, 1, "least $10.00 where 100 <= x <= 109.99, most $20.00 where 109.99 < x < 110; 1 of 4 runs"),
        (0, "yes", 1, 1, "payoff over the value: $0.00 where x < 100; 3 of 4 runs"),
        (1, "no", 2, 1, "payoff over the value: $10.00 at every value that is still possible; 2 of 4 runs"),
    ],
    ids=["low not", "low", "middle not"],
)
def test_what_may_still_come_is_drawn_after_a_leg_has_settled_and_what_was_received_is_said(
    pair: Pair, first: int, result: str, lines: int, greyed: int, words: str
) -> None:
    position = bought(pair)
    settle(pair, legs_of(position)[first].market_id, result)
    position = Position.objects.get(pk=position.pk)
    now = held(position)
    plot = position_story.plot_of(position, now)
    assert plot is not None
    assert (len(plot.lines), len(plot.ruled_out)) == (lines, greyed)
    assert words in plot.words
    assert ("brought $10.00 besides" in plot.words) is (result == "yes")
    story = explained.lines(FAMILY, position.profile)
    assert [row for row in story if row.startswith("  ") and ": pays $" in row] == [
        f"  {row.state.quote}: pays ${row.pays / world.DOLLAR:.2f}" for row in now.payoff
    ]
    assert any("brought $10.00 besides" in row for row in story) is (result == "yes")


@pytest.mark.parametrize("value", [1, 3_333, 5_000, 9_999])
def test_a_leg_that_is_settled_at_a_price_leaves_nothing_known_of_the_others(pair: Pair, value: int) -> None:
    """A void, a fair price, half a dollar: no certificate of a family lists it, so what the others pay is known by nobody."""
    position = bought(pair)
    low, middle, second = legs_of(position)
    settle(pair, low.market_id, "scalar", value)
    now = held(position)
    assert "no listed state allows" in now.unknown
    assert (now.floor, now.grade, now.payoff) == (0, Grade.CONDITIONAL, ())
    assert position_story.plot_of(position, now) is None
    assert "is not known" in position_story.in_words(position, now, {})
    position.refresh_from_db()
    assert (position.guaranteed, position.payout) == (False, value * 1_000 // 10_000 * 10_000), "cut to whole cents"
    agree(position.profile)
    settle(pair, middle.market_id, "scalar", value)
    settle(pair, second.market_id, "yes")
    position.refresh_from_db()
    assert position.status == "settled"
    agree(position.profile)


def test_a_value_finer_than_any_price_is_no_no(pair: Pair) -> None:
    """Cut to a price it would read as a No, which a state allows."""
    position = bought(pair, mode="sim")
    (low, *_) = legs_of(position)
    Market.objects.filter(pk=low.market_id).update(
        status="finalized", result="scalar", settlement_value_e6=50, settled_at=clock.now()
    )
    settlement.run()
    assert held(position).floor == 0
    assert held(position).unknown


def test_a_correction_is_booked_and_what_is_possible_follows_it(pair: Pair) -> None:
    position = bought(pair)
    low, middle, second = legs_of(position)
    settle(pair, low.market_id, "yes")
    assert [row.state.quote for row in held(position).payoff] == ["x < 100"]
    assert held(position).floor == 0, "the others pay nothing below 100"
    pair[0].correct(low.market_id, "no")
    settlement.run()
    assert [row.state.quote for row in held(position).payoff] == list(VALUES)[1:]
    assert held(position).floor == 10 * world.DOLLAR
    settle(pair, middle.market_id, "yes")
    settle(pair, second.market_id, "yes")
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", 20 * world.DOLLAR)
    pair[0].correct(middle.market_id, "scalar", 2_500)
    settlement.run()
    position.refresh_from_db()
    assert position.payout == 12_500_000
    agree(position.profile)


def _revoked_member() -> None:
    certificates.revoke(Event.objects.get(pk="KXT-2"), "ann", "I do not believe its rules")


def _revoked() -> None:
    certificates.revoke(Event.objects.get(pk=FAMILY), "ann", "I do not believe its rules")


def _other_rules() -> None:
    Market.objects.filter(event="KXT-2").update(rules_primary="Another rule.")
    certificates.refresh(["KXT-2"])


def _no_family_any_more() -> None:
    """No registered terms, say, or another shard: nothing groups the two events."""
    grouped.refresh()


@pytest.mark.parametrize(
    "change", [_revoked_member, _revoked, _other_rules, _no_family_any_more], ids=lambda change: change.__name__
)
def test_when_the_certificate_goes_that_is_said_and_nothing_more_is_bought(pair: Pair, change: Any) -> None:
    position = bought(pair, mode="sim")
    waiting = families.decide(profile(name="later"), *pair)
    assert position_story.demoted(position) == ""
    began = clock.now()
    change()
    assert not Certificate.objects.filter(event=FAMILY, status="granted").exists()
    assert executor.execute(waiting.pk) is None
    assert waiting.denial.code == "certificate"
    assert "Nothing more is bought" in position_story.demoted(Position.objects.get(pk=position.pk))
    drafts = [draft for _, draft in collect.certificates(began)]
    assert any(f"#{position.pk} of" in draft.body for draft in drafts)
    assert held(position).floor == 10 * world.DOLLAR, "what was bought settles as it did"
    assert premises.obey_revocations() == (change in (_revoked_member, _revoked))
    assert Position.objects.get(pk=position.pk).guaranteed == (change not in (_revoked_member, _revoked))
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    assert executor.step(position.pk).status == "closed"
