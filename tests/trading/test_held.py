"""What a position holds now: floor, grade and naked legs follow every fill, sale, settlement and amendment."""

from __future__ import annotations

from kalbot.console.api import reads
from kalbot.console.pages.positions import position_story
from kalbot.console.ui.held import grade_of_held
from markets.models import Certificate, Event, Market
from markets.terms import certificates
from markets.terms.grades import Grade
from tests.trading import world
from trading import premises, selectors
from trading.accounting import booking
from trading.accounting.fill_reports import FillReport
from trading.closing import exits, settlement
from trading.execution import executor
from trading.models import Leg, Order, Position
from trading.reconciliation import reconcile

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
DOLLAR = 1_000_000


def _open() -> Position:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    position = executor.execute(world.decide(profile, event, LIMITS).pk)
    assert position is not None
    assert position.status == "open"
    return position


def _sell(position: Position, ticker: str, count: int, price: int) -> None:
    """Sell by an order of our own, booked as the exchange would report it."""
    leg = Leg.objects.get(position=position, market_id=ticker)
    order = Order.objects.create(
        profile=position.profile,
        mode=position.mode,
        position=position,
        leg=leg,
        action="sell",
        purpose="exit",
        side=leg.side,
        price=price,
        count=count,
        status="booking",
        exchange_order_id=f"x-{ticker}-{count}",
    )
    booking.book_fill(order.pk, FillReport(f"t-{order.pk}", price, count, 0, True, 0), "rest")
    position.refresh_from_db()


def _final(ticker: str, result: str, value_e6: int) -> None:
    Market.objects.filter(ticker=ticker).update(status="finalized", result=result, settlement_value_e6=value_e6)


def _columns(position: Position) -> tuple[int, int, bool]:
    position.refresh_from_db()
    return position.matched_count, position.floor, position.guaranteed


def test_a_whole_basket_pays_its_floor_in_every_state() -> None:
    position = _open()
    held = selectors.held_now(position)
    assert (held.matched, held.floor, held.grade, held.unknown) == (1_000, 10 * DOLLAR, Grade.GUARANTEED, "")
    assert held.cost == position.cost > 0
    assert held.naked == ()
    assert {row.pays for row in held.payoff} == {10 * DOLLAR}
    assert len(held.payoff) == 3
    assert _columns(position) == (1_000, 10 * DOLLAR, True)


def test_states_are_named_by_what_the_outcomes_are_called_or_else_by_their_markets() -> None:
    position = _open()
    ticker = position.legs.order_by("sequence")[0].market_id
    Market.objects.filter(ticker=ticker).update(yes_sub_title="Rain")
    words = [one.words for one in selectors.held_now(position).payoff]
    assert any("Rain" in text for text in words)
    assert not any(ticker in text for text in words)
    others = [leg.market_id for leg in position.legs.order_by("sequence")[1:]]
    assert all(any(other in text for text in words) for other in others)


def test_a_sold_leg_takes_the_guarantee_with_it() -> None:
    position = _open()
    _sell(position, "KXT-1-0", 400, 9_000)
    held = selectors.held_now(position)
    assert (held.matched, held.floor) == (600, 6 * DOLLAR)
    assert {one.leg.market_id: one.naked for one in held.naked} == {"KXT-1-1": 400, "KXT-1-2": 400}
    assert _columns(position) == (600, 6 * DOLLAR, False)
    _sell(position, "KXT-1-0", 600, 9_000)
    assert _columns(position) == (0, 0, False), "a profit from sales guarantees nothing of what is left"
    _sell(position, "KXT-1-1", 1_000, 100)
    held = selectors.held_now(position)
    assert (held.floor, held.grade) == (0, Grade.CONDITIONAL)
    assert [one.naked for one in held.legs] == [1_000]


def test_a_losing_leg_that_settled_leaves_the_floor_and_the_grade() -> None:
    position = _open()
    _final("KXT-1-0", "no", 0)
    settlement.run()
    held = selectors.held_now(position)
    assert (held.floor, held.grade, held.naked) == (10 * DOLLAR, Grade.GUARANTEED, ())
    assert {row.pays for row in held.payoff} == {10 * DOLLAR}
    assert _columns(position) == (1_000, 10 * DOLLAR, True)


def test_the_winner_that_settled_leaves_legs_that_pay_nothing() -> None:
    position = _open()
    _final("KXT-1-0", "yes", 1_000_000)
    settlement.run()
    held = selectors.held_now(position)
    assert held.floor == 0
    assert held.grade is Grade.GUARANTEED, "the basket as a whole has paid more than it cost"


def test_a_settlement_that_no_state_allows_grades_as_conditional() -> None:
    position = _open()
    _final("KXT-1-0", "scalar", 200_000)
    settlement.run()
    held = selectors.held_now(position)
    assert (held.floor, held.grade) == (0, Grade.CONDITIONAL)
    assert held.unknown
    assert _columns(position)[1:] == (0, False)


def test_an_amended_result_is_counted_again() -> None:
    position = _open()
    _final("KXT-1-0", "yes", 1_000_000)
    settlement.run()
    assert _columns(position)[1] == 0
    _final("KXT-1-0", "no", 0)
    settlement.run()
    assert _columns(position) == (1_000, 10 * DOLLAR, True)


def test_a_position_without_stored_states_has_no_floor() -> None:
    position = _open()
    Position.objects.filter(pk=position.pk).update(states=[])
    position.refresh_from_db()
    held = selectors.held_now(position)
    assert (held.floor, held.grade, bool(held.unknown)) == (0, Grade.CONDITIONAL, True)


def test_a_closed_position_holds_nothing() -> None:
    position = _open()
    exits.request_exit(position_id=position.pk, actor="test", reason="test", below_floor="a test")
    executor.step(position.pk)
    position.refresh_from_db()
    assert position.status == "closed"
    assert selectors.held_now(position).is_flat
    assert _columns(position) == (0, 0, False)


def _as_before_states_were_kept(position: Position) -> None:
    Position.objects.filter(pk=position.pk).update(states=[], grade="conditional", floor=0, guaranteed=False)


def test_a_position_from_before_states_were_kept_gets_those_that_its_certificate_proves() -> None:
    position = _open()
    kept = position.states, position.grade, position.floor, position.guaranteed
    assert position.guaranteed
    _as_before_states_were_kept(position)
    Certificate.objects.update(status="void")  # the rules changed since: those of then still hold for it
    assert reconcile.run("sim", "test").error == ""
    position.refresh_from_db()
    assert (position.states, position.grade, position.floor, position.guaranteed) == kept
    assert premises.complete_old() == 0


def test_a_position_that_no_certificate_proves_stays_conditional_and_says_so_once() -> None:
    position = _open()
    _as_before_states_were_kept(position)
    Certificate.objects.update(rules_hash="other rules")
    for _ in range(2):
        assert premises.complete_old() == 0
    position.refresh_from_db()
    assert (position.grade, position.floor, position.guaranteed) == ("conditional", 0, False)
    assert position.events.filter(reason__contains="no certificate of its rules").count() == 1


def test_a_certificate_that_a_person_revokes_is_said_where_the_grade_of_what_it_was_bought_on_stands() -> None:
    position = _open()
    assert position_story.demoted(position) == ""
    certificates.revoke(Event.objects.get(pk=position.event_id), "ann", "I do not believe its rules")
    said = position_story.demoted(Position.objects.get(pk=position.pk))
    assert said.startswith("Nothing more is bought")
    assert "I do not believe its rules" in said
    assert "as they were listed when it was opened" in said


def test_what_rests_on_a_certificate_that_a_person_revoked_is_called_guaranteed_nowhere() -> None:
    position = _open()
    assert (grade_of_held(position), premises.obey_revocations()) == ("guaranteed", 0)
    certificates.revoke(Event.objects.get(pk=position.event_id), "ann", "I do not believe its rules")
    assert reconcile.run("sim", "test").error == ""
    position.refresh_from_db()
    assert (position.guaranteed, position.grade, grade_of_held(position)) == (False, "guaranteed", "conditional")
    assert reads.position(position, naked=False, waits=None, floor=position.floor)["grade"] == "conditional"
    assert "not certified" in position_story.in_words(position, selectors.held_now(position), {})
    assert position.events.filter(reason__contains="is revoked: conditional from now on").count() == 1
    certificates.grant(Event.objects.get(pk=position.event_id), "bob", "one of them must win")
    assert premises.obey_revocations() == 0
    booking.recount(position)
    assert not _columns(position)[2], "another certificate than that it was opened on"


def test_a_certificate_of_another_event_takes_nothing_from_a_position() -> None:
    position = _open()
    other = world.add_event("KXOTHER-1")
    certificates.refresh([other.pk])
    certificates.revoke(other, "ann", "I do not believe its rules")
    assert premises.obey_revocations() == 0
    assert _columns(position)[2]
