"""Order endpoints: what is sent, what an answer must be, and what became of an unclear one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kalbot.common.units import Count, Price
from markets.kalshi.errors import AlreadyExists, Killed, NotFound, OutcomeUnknown, Rejected, SchemaError
from markets.kalshi.order_entry import AmendOrder, CancelOrder, Sell
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.resolution import SIGNATURE_LIFE_MS, Outcome
from markets.kalshi.schemas.answers import CancelResult, CreateResult
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.vocabulary import Side, TimeInForce

from .bodies import CREATED, ORDER, but, present
from .scripted import Answer, Request, Script
from .test_order_entry import ID, order

ACCEPTED = but(CREATED, client_order_id=ID)
CUTOFF = Answer(
    200,
    dict.fromkeys(("market_settled_ts", "trades_created_ts", "orders_updated_ts"), "2026-11-09T00:00:00Z"),
)
EXISTS = Answer(409, {"error": {"code": "order_already_exists", "message": "exists"}})
SENT = 1_795_400_000_000
ANOTHER = but(ORDER, client_order_id="another")


def orders_page(*orders: Any) -> Answer:
    return Answer(200, {"orders": list(orders), "cursor": ""})


def test_a_create_is_one_post_of_the_wire_form(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(201, ACCEPTED))
    result = client.orders.create(order())
    (request,) = exchange.requests
    assert (request.method, request.route, request.json) == ("POST", "/portfolio/events/orders", order().to_wire())
    assert request.headers["Content-Type"] == "application/json"
    assert (result.order_id, result.fill_count, result.remaining_count) == ("o", 300, 425)


@pytest.mark.parametrize(
    "body",
    [
        {},
        b"",
        b"not json",
        but(ACCEPTED, order_id=...),
        but(ACCEPTED, fill_count=...),
        but(ACCEPTED, client_order_id="another"),
        but(ACCEPTED, remaining_count="4.26"),
        but(ACCEPTED, fill_count=3),
    ],
)
def test_an_accepted_create_whose_answer_cannot_be_believed_has_an_unknown_outcome(
    exchange: Script, client: KalshiClient, body: Any
) -> None:
    exchange.say(Answer(201, body))
    with pytest.raises(OutcomeUnknown):
        client.orders.create(order())


def test_definite_refusals_of_a_create_are_distinguished(exchange: Script, client: KalshiClient) -> None:
    exchange.say(EXISTS, Answer(409, {"error": {"code": "fill_or_kill_insufficient_resting_volume"}}))
    with pytest.raises(AlreadyExists):
        client.orders.create(order())
    with pytest.raises(Killed):
        client.orders.create(order(time_in_force=TimeInForce.FOK))


def test_a_cancel_names_the_market_and_the_shard(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(200, {"order_id": "o", "reduced_by": "4.25", "ts_ms": 1}))
    assert client.orders.cancel("o", "KXDEMO-A", 2).reduced_by == 425
    (request,) = exchange.requests
    assert (request.method, request.route) == ("DELETE", "/portfolio/events/orders/o")
    assert sorted(request.query) == [("exchange_index", "2"), ("market_ticker", "KXDEMO-A")]


def test_a_cancel_of_what_is_gone_is_not_found(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(404, {"error": {"code": "not_found"}}))
    with pytest.raises(NotFound):
        client.orders.cancel("o", "KXDEMO-A", 2)


def test_cancel_all_takes_an_empty_answer(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(204))
    client.orders.cancel_all(subaccount=3)
    assert exchange.requests[0].query == [("subaccount", "3")]


def test_a_batch_gives_each_order_its_own_fate(exchange: Script, client: KalshiClient) -> None:
    second = order(Sell, client_order_id="second")
    failed = {"client_order_id": "second", "error": {"code": "invalid_price", "message": "grid"}}
    exchange.say(Answer(201, {"orders": [ACCEPTED, failed]}))
    done, refused = client.orders.batch_create([order(), second])
    assert isinstance(done.result, CreateResult)
    assert done.result.order_id == "o"
    assert isinstance(refused.error, Rejected)
    assert refused.error.code == "invalid_price"
    assert exchange.requests[0].json == {"orders": [order().to_wire(), second.to_wire()]}


@pytest.mark.parametrize(
    "items", [[ACCEPTED], [ACCEPTED, ACCEPTED, ACCEPTED], [but(ACCEPTED, client_order_id="second"), ACCEPTED]]
)
def test_a_batch_that_is_answered_short_or_out_of_order_is_unknown_as_a_whole(
    exchange: Script, client: KalshiClient, items: list[Json]
) -> None:
    exchange.say(Answer(201, {"orders": items}))
    with pytest.raises(OutcomeUnknown):
        client.orders.batch_create([order(), order(Sell, client_order_id="second")])


def test_a_batch_cancel_has_a_body(exchange: Script, client: KalshiClient) -> None:
    answer = {
        "orders": [
            {"order_id": "o", "reduced_by": "1.00"},
            {"order_id": "p", "reduced_by": "0.00", "error": {"code": "not_found"}},
        ]
    }
    exchange.say(Answer(200, answer))
    done, gone = client.orders.batch_cancel([CancelOrder("o", "A", 2), CancelOrder("p", "B", 0, subaccount=1)])
    assert isinstance(done.result, CancelResult)
    assert done.result.reduced_by == 100
    assert isinstance(gone.error, NotFound)
    assert exchange.requests[0].method == "DELETE"
    assert exchange.requests[0].json["orders"][1] == {
        "order_id": "p",
        "market_ticker": "B",
        "exchange_index": 0,
        "subaccount": 1,
    }


def test_amend_and_decrease(exchange: Script, client: KalshiClient) -> None:
    exchange.say(
        Answer(200, {"order_id": "o", "ts_ms": 1}),
        Answer(200, {"order_id": "o", "remaining_count": "1.00", "ts_ms": 1}),
    )
    amend = AmendOrder(
        order_id="o", ticker="A", outcome_side=Side.YES, price=Price(4000), count=Count(100), exchange_index=2
    )
    assert client.orders.amend(amend).remaining_count is None
    assert client.orders.decrease("o", "A", 2, reduce_to=Count(100)).remaining_count == 100
    assert [request.route for request in exchange.requests] == [
        "/portfolio/events/orders/o/amend",
        "/portfolio/events/orders/o/decrease",
    ]
    assert exchange.requests[1].json == {"market_ticker": "A", "exchange_index": 2, "reduce_to": "1.00"}
    with pytest.raises(ValueError, match="exactly one"):
        client.orders.decrease("o", "A", 2)


@pytest.mark.parametrize("said", [{"fill_count": "1.01"}, {"remaining_count": "1.01"}])
def test_a_changed_order_with_more_than_it_was_to_have_is_of_unknown_outcome(
    exchange: Script, client: KalshiClient, said: dict[str, str]
) -> None:
    amend = AmendOrder(
        order_id="o", ticker="A", outcome_side=Side.YES, price=Price(4000), count=Count(100), exchange_index=2
    )
    answer = {"order_id": "o", "ts_ms": 1, "fill_count": "0.00", "remaining_count": "1.00"}
    exchange.say(Answer(200, answer), Answer(200, answer | said))
    assert client.orders.amend(amend).remaining_count == 100
    with pytest.raises(OutcomeUnknown):
        client.orders.amend(amend)


def test_an_order_that_was_not_decreased_as_far_as_it_should_is_of_unknown_outcome(
    exchange: Script, client: KalshiClient
) -> None:
    exchange.say(
        *(Answer(200, {"order_id": "o", "remaining_count": left, "ts_ms": 1}) for left in ("0.00", "0.40", "1.01"))
    )
    for left in (0, 40):  # it may have filled meanwhile
        assert client.orders.decrease("o", "A", 2, reduce_to=Count(100)).remaining_count == left
    with pytest.raises(OutcomeUnknown):
        client.orders.decrease("o", "A", 2, reduce_to=Count(100))


def test_an_answer_about_another_order_is_believed_by_nobody(exchange: Script, client: KalshiClient) -> None:
    """Each write leaves its outcome unknown, and a read names the order that it was about."""
    amend = AmendOrder(
        order_id="o", ticker="A", outcome_side=Side.YES, price=Price(4000), count=Count(100), exchange_index=2
    )
    writes: list[tuple[Json, Callable[[], object]]] = [
        ({"order_id": "x", "reduced_by": "4.25", "ts_ms": 1}, lambda: client.orders.cancel("o", "A", 2)),
        ({"order_id": "x", "ts_ms": 1}, lambda: client.orders.amend(amend)),
        (
            {"order_id": "x", "remaining_count": "1.00", "ts_ms": 1},
            lambda: client.orders.decrease("o", "A", 2, reduce_to=Count(100)),
        ),
        (
            {"orders": [{"order_id": "p", "reduced_by": "1.00"}, {"order_id": "o", "reduced_by": "1.00"}]},
            lambda: client.orders.batch_cancel([CancelOrder("o", "A", 2), CancelOrder("p", "B", 0)]),
        ),
        (
            {"orders": [ACCEPTED, but(ACCEPTED, client_order_id="second")]},
            lambda: client.orders.batch_create([order(), order(Sell, client_order_id="second")]),
        ),
    ]
    for body, write in writes:
        exchange.say(Answer(200, body))
        with pytest.raises(OutcomeUnknown):
            write()
    exchange.say(Answer(200, {"order": but(ORDER, order_id="x")}))
    with pytest.raises(SchemaError):
        client.orders.get("o")


def test_order_groups(exchange: Script, client: KalshiClient) -> None:
    group = {"is_auto_cancel_enabled": True, "contracts_limit_fp": "50.00", "orders": ["o"]}
    exchange.rule = lambda request: Answer(
        200,
        {"order_group_id": "g", "subaccount": 0}
        if request.method == "POST"
        else group
        if request.method == "GET" and request.route.endswith("/g")
        else {"order_groups": [{**group, "id": "g", "orders": None}]}
        if request.method == "GET"
        else {},
    )
    groups = client.orders.groups
    assert groups.create(Count(5000), 2) == "g"
    found = groups.get("g")
    assert (found.order_group_id, found.contracts_limit, found.order_ids) == ("g", 5000, ("o",))
    assert [g.order_group_id for g in groups.list()] == ["g"]
    groups.set_limit("g", Count(100), 2)
    groups.trigger("g", 2)
    groups.reset("g", 2)
    groups.delete("g", 2)
    assert exchange.requests[0].json == {"contracts_limit_fp": "50.00", "exchange_index": 2}
    assert [(a.method, a.route.rpartition("/")[2]) for a in exchange.requests[3:]] == [
        ("PUT", "limit"),
        ("PUT", "trigger"),
        ("PUT", "reset"),
        ("DELETE", "g"),
    ]


def test_an_unclear_create_is_found_by_its_client_id(exchange: Script, client: KalshiClient) -> None:
    mine = but(ORDER, client_order_id=ID)
    exchange.say(orders_page(ANOTHER, mine))
    found = client.resolve_create(order(), SENT)
    assert (found.outcome, present(found.order).client_order_id) == (Outcome.FOUND, ID)
    request = exchange.requests[0]
    assert ("ticker", "KXDEMO-A") in request.query
    assert ("min_ts", str(SENT // 1000 - 60)) in request.query


def test_an_order_is_absent_only_when_it_can_no_longer_arrive_and_the_reads_are_that_fresh(
    exchange: Script, client: KalshiClient
) -> None:
    as_of = "2026-01-01T00:00:00Z"

    def answer(request: Request) -> Answer:
        if request.route == "/exchange/user_data_timestamp":
            return Answer(200, {"as_of_time": as_of})
        if request.route == "/historical/cutoff":
            return CUTOFF
        return orders_page(ANOTHER)

    exchange.rule = answer
    client._clock = lambda: SENT + SIGNATURE_LIFE_MS - 1
    assert client.resolve_create(order(), SENT).outcome is Outcome.UNKNOWN
    client._clock = lambda: SENT + SIGNATURE_LIFE_MS + 1
    assert client.resolve_create(order(), SENT).outcome is Outcome.UNKNOWN
    as_of = "2026-11-23T02:14:00Z"
    assert SENT == 1_795_400_000_000  # 2026-11-23T02:13:20Z
    assert client.resolve_create(order(), SENT).outcome is Outcome.ABSENT


@pytest.mark.parametrize("resend", [False, True])
def test_an_old_order_is_found_in_the_history(exchange: Script, client: KalshiClient, resend: bool) -> None:
    late = Answer(200, dict.fromkeys(("as_of_time", *CUTOFF.body), "2026-12-23T00:00:00Z"))

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return EXISTS
        if request.route == "/historical/orders":
            return orders_page(but(ORDER, client_order_id=ID))
        return late if request.route in ("/historical/cutoff", "/exchange/user_data_timestamp") else orders_page()

    exchange.rule = answer
    client._clock = lambda: SENT + 30 * 86_400_000
    found = client.resolve_create(order(), SENT, resend=resend)
    assert (found.outcome, present(found.order).client_order_id) == (Outcome.FOUND, ID)


def test_sending_the_same_id_again_is_decisive(exchange: Script, client: KalshiClient) -> None:
    exchange.rule = lambda request: Answer(201, ACCEPTED) if request.method == "POST" else orders_page()
    resolved = client.resolve_create(order(), SENT, resend=True)
    assert resolved.outcome is Outcome.PLACED
    assert present(resolved.result).fill_count == 300
    assert [a.json["client_order_id"] for a in exchange.requests if a.method == "POST"] == [ID]


def test_a_spent_id_proves_that_the_first_one_landed(exchange: Script, client: KalshiClient) -> None:
    listings = iter([orders_page(), orders_page(but(ORDER, client_order_id=ID))])
    exchange.rule = lambda request: EXISTS if request.method == "POST" else next(listings)
    resolved = client.resolve_create(order(), SENT, resend=True)
    assert resolved.outcome is Outcome.FOUND
    assert present(resolved.order).client_order_id == ID


def test_a_spent_id_that_is_not_listed_yet_stays_unknown(exchange: Script, client: KalshiClient) -> None:
    exchange.rule = lambda request: (
        EXISTS if request.method == "POST" else CUTOFF if request.route == "/historical/cutoff" else orders_page()
    )
    assert client.resolve_create(order(), SENT, resend=True).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("trouble", [Answer(503), Answer(hang_up=True), Answer(200, {"orders": [{"order_id": 1}]})])
def test_an_exchange_that_cannot_answer_leaves_the_outcome_unknown(
    exchange: Script, client: KalshiClient, trouble: Answer
) -> None:
    exchange.say(trouble)
    client._clock = lambda: SENT + 10 * SIGNATURE_LIFE_MS
    assert client.resolve_create(order(), SENT).outcome is Outcome.UNKNOWN
    assert not any(request.method == "POST" for request in exchange.requests)


@pytest.mark.parametrize("again", [Answer(500), Answer(400, {"error": {"code": "invalid_price"}})])
def test_a_second_try_that_fails_too_settles_nothing(exchange: Script, client: KalshiClient, again: Answer) -> None:
    exchange.rule = lambda request: again if request.method == "POST" else orders_page()
    assert client.resolve_create(order(), SENT, resend=True).outcome is Outcome.UNKNOWN
    assert sum(request.method == "POST" for request in exchange.requests) == 1
