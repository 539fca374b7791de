"""A person withdraws quotes or exits a basket that is being quoted; what a person sees of it; its place in the queue."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.common import cache
from tests.trading import quoted
from tests.trading.twin import Twin
from trading import sweeper
from trading.closing import exits
from trading.models import Order, Position
from trading.quoted import open_quotes, queue, results


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def _filled(twin: Twin, **columns: Any) -> Position:
    position = quoted.begun(twin, quoted.profile(**columns))
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    return quoted.step(twin, position)


def test_quotes_that_a_person_withdraws_rest_no_more_and_what_filled_is_held(twin: Twin) -> None:
    position = _filled(twin)
    exits.withdraw_quote(position.pk, actor="ann", reason="enough")
    position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert quoted.held(position) == [300, 0, 0]
    assert quoted.rests_at_the_exchange(twin) == 0
    with pytest.raises(exits.CannotExit) as caught:
        exits.withdraw_quote(position.pk, actor="ann", reason="again")
    assert caught.value.code == "not_quoted"
    quoted.agree(position.profile)


def test_quotes_of_which_nothing_filled_end_without_a_purchase(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    exits.withdraw_quote(position.pk, actor="ann", reason="enough")
    position = quoted.step(twin, position)
    assert (position.status, position.close_code, position.reserved) == ("aborted", "quote_withdrawn", 0)
    assert "ann: enough" in position.events.latest("id").reason


def test_an_exit_of_what_is_quoted_withdraws_first_and_sells_at_the_least_prices(twin: Twin) -> None:
    position = _filled(twin)
    twin.quote(twin.markets[0], "ask", 4_500, quoted.DEPTH)  # somebody else bids for NO again
    twin.sync()
    request = exits.request_exit(position_id=position.pk, actor="ann", reason="leave")
    assert len(request.least_prices) == 3
    position = quoted.step(twin, position)
    for _ in range(4):
        position = quoted.step(twin, position)
    assert quoted.rests_at_the_exchange(twin) == 0
    assert (position.status, quoted.held(position)) == ("closed", [0, 0, 0])
    quoted.agree(position.profile)


def test_what_fills_after_an_exit_was_requested_is_sold_too_at_no_less_than_it_may_cost(twin: Twin) -> None:
    position = _filled(twin)
    for number, bid in enumerate((4_500, 4_200)):
        twin.quote(twin.markets[number], "ask", bid, quoted.DEPTH)
    twin.sync()
    request = exits.request_exit(position_id=position.pk, actor="ann", reason="leave")
    least = {row["ticker"]: row["price"] for row in request.least_prices}
    assert least[twin.markets[1]] == quoted.NO_BIDS[1] - 200
    again = exits.request_exit(
        position_id=position.pk,
        actor="ann",
        reason="leave",
        least_prices={(twin.markets[0], "no"): least[twin.markets[0]]},
    )
    assert again == request, "the same prices are no other request"
    quoted.sell_no(twin, 1, quoted.NO_BIDS[1], quoted.DEPTH + 200)  # before anybody withdraws
    twin.quote(twin.markets[1], "ask", 4_200, quoted.DEPTH)
    for _ in range(6):
        position = quoted.step(twin, position)
    bought = [leg.bought_count for leg in position.legs.all()]
    assert bought == [300, 200, 0]
    assert (position.status, quoted.held(position)) == ("closed", [0, 0, 0])
    quoted.agree(position.profile)


def test_baskets_that_became_whole_after_an_exit_was_requested_are_not_sold_below_what_they_pay(twin: Twin) -> None:
    position = _filled(twin)
    exits.request_exit(position_id=position.pk, actor="ann", reason="leave")
    for number in (1, 2):
        quoted.sell_no(twin, number, quoted.NO_BIDS[number], quoted.DEPTH + 300)
    for _ in range(4):
        position = quoted.step(twin, position)
    assert quoted.held(position) == [300] * 3
    assert position.guaranteed
    assert not position.orders.filter(action="sell").exists()


def test_a_machine_exits_nothing_that_is_being_quoted_and_nobody_a_part_of_it(twin: Twin) -> None:
    position = _filled(twin)
    for terms in ({"source": "triage"}, {"counts": {(twin.markets[0], "no"): 100}}):
        with pytest.raises(exits.CannotExit) as caught:
            exits.request_exit(position_id=position.pk, actor="ann", reason="leave", **terms)
        assert caught.value.code in ("still_buying", "not_in_parts")
    assert quoted.step(twin, position).status == "quoting"


def test_what_is_quoted_is_shown_with_its_arithmetic(twin: Twin) -> None:
    position = _filled(twin)
    found = open_quotes.of(position)
    assert [leg.bid for leg in found.legs] == list(quoted.NO_BIDS)
    assert [leg.left for leg in found.legs] == [700, 1_000, 1_000]
    assert found.cost == sum(quoted.NO_BIDS) * 100 + sum(leg.fees for leg in found.legs)
    assert (found.pays, found.keeps) == (2_000_000, 2_000_000 - found.cost)
    assert found.orphans == position.cost
    assert found.orphans < found.most_orphans <= position.orphan_limit
    assert found.legs[1].others == quoted.NO_BIDS[1], "the bids of others, ours left out"
    Order.objects.filter(leg=found.legs[2].leg).update(status="done")
    taken = open_quotes.of(position).legs[2]
    assert taken.bid is None
    assert taken.cost is not None
    assert taken.cost > quoted.NO_ASKS[2] * 100, "taken now, fees with it"


def test_the_place_in_the_queue_is_read_now_and_then(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    for key in cache.prices().keys(cache.key("queue positions:*")):
        cache.prices().delete(key)
    sweeper.sweep()
    assert [leg.ahead for leg in open_quotes.of(position).legs] == [quoted.DEPTH] * 3
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH)
    assert queue.measure() == 0, "read a moment ago"
    for key in cache.prices().keys(cache.key("queue positions:*")):
        cache.prices().delete(key)
    assert queue.measure() == 3
    assert open_quotes.of(position).legs[0].ahead == 0


def test_quoted_baskets_are_counted_beside_taken_ones(twin: Twin) -> None:
    position = _filled(twin, quoting="one_leg", quote_min_margin_ppm=1_000, count_step=1)
    assert position.quoting
    since = position.created_at
    (made,) = results.by_way(since.replace(year=since.year - 1))
    assert (made.ended, made.bought, made.open, made.open_cost) == (0, 0, 1, position.cost)
    Position.objects.filter(pk=position.pk).update(status="settled", realised=5)
    (made,) = results.by_way(since.replace(year=since.year - 1))
    assert (made.mode, made.way, made.ended, made.realised) == ("live", "one_leg", 1, 5)
    assert (made.bought, made.open, made.open_cost) == (1, 0, 0)
    assert made.cost == sum(leg.bought_cost for leg in position.legs.all())
