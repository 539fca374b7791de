"""A reason that is stored with a row goes when what it is about has ended."""

from __future__ import annotations

from strategies.models import Decision
from tests.trading import world
from trading import states
from trading.denials import DenialCode
from trading.execution.orders import record, submit
from trading.models import Leg, Order, Position
from trading.venues.protocol import Ack, Unresolved


def _position(status: str) -> Position:
    event = world.add_event()
    decision: Decision = world.decide(world.add_profile(), event, {"KXT-1-0": 3_000})
    position = Position.objects.create(
        profile=decision.profile,
        mode="sim",
        decision=decision,
        event=event,
        kind="all_yes",
        status=status,
        target_count=1,
    )
    Position.objects.update(residual="no bid: KXT-1-0", residual_code=DenialCode.NO_BID)
    return position


def test_what_held_up_a_phase_is_gone_in_the_next_unless_it_says_so_itself() -> None:
    position = _position("unwinding")
    states.transition(position, "open", reason="the rest was sold")
    assert (position.residual, position.residual_code) == ("", "")
    states.transition(position, "unwinding", reason="again")
    states.transition(position, "open", reason="kept", residual="a person kept it", residual_code=DenialCode.NO_BID)
    assert (position.residual, position.residual_code) == ("a person kept it", DenialCode.NO_BID)


def test_an_order_that_was_unclear_says_nothing_of_it_once_it_is_known() -> None:
    position = _position("executing")
    leg = Leg.objects.create(position=position, market_id="KXT-1-0", side="yes", target_count=100, limit_price=3_000)
    buys, entry = Order.Action.BUY, Order.Purpose.ENTRY
    order = submit.new_order(position, leg, action=buys, purpose=entry, price=3_000, count=100)
    order.save(force_insert=True)
    record.mark_unknown(order, Unresolved("timed out"))
    order.refresh_from_db()
    assert order.error_detail == "timed out"
    record.acknowledge(order, Ack("x1", 100, 0))
    order.refresh_from_db()
    assert (order.status, order.error_code, order.error_detail) == ("booking", "", "")
