"""How many statements run between a decision and its orders. Transactions are counted apart from statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import DatabaseError, connection, transaction

from kalbot.common import clock, trace
from kalbot.common.db import pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.trace import Stage
from markets import exchange_hours
from markets.models import Watch
from markets.prices import EVENT_KEY
from strategies.cycle import handover
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.struck import StruckTwin
from trading.accounting import audit, ledger, locked_orders, shard_cash
from trading.accounting.position_booking import PositionBooking
from trading.execution import admission, executor, handed
from trading.execution.orders import fills, gate
from trading.execution.sizing import recheck
from trading.limits import facts
from trading.models import Denial, ExitRequest, Fill, Order, Position, ProfileBalance
from trading.reconciliation import reconcile

pytestmark = pytest.mark.django_db(transaction=True)
LIMITS = (3_000, 3_200, 3_100)
BEFORE_FIRST_ORDER = 12
MESSAGES_BEFORE = 3
"""Where the database takes several statements in one message, BEGIN and COMMIT with them: the catalogue's rows, what admission needs,
and what it stores, with the gate's own read behind it."""
IN_ALL = {"sqlite": (38, 29), "postgresql": (20, 6)}
"""For a basket of four legs that is open in the end, one leg after the other and all at once: statements, or messages. Of all at once these
are behind the wire: the answers, what the fills are booked on, and all that is booked, with what was requested meanwhile read behind it."""
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
FIRST_ORDER = "first order"


@contextmanager
def _counted(twin: StruckTwin) -> Iterator[list[str]]:
    """The statements, ``COMMIT`` for each transaction and ``FIRST_ORDER`` among them."""
    seen: list[str] = []
    send, commit = twin.session.send, connection.commit

    def watched(request: Any, **kwargs: Any) -> Any:
        if request.method == "POST" and FIRST_ORDER not in seen:
            seen.append(FIRST_ORDER)
        return send(request, **kwargs)

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith(CONTROL) or "; " in sql:
            seen.extend([sql] * (len(params) if many else 1))
        return execute(sql, params, many, context)

    def committed() -> None:
        commit()
        seen.append("COMMIT")

    twin.session.send = watched  # type: ignore[method-assign]
    connection.commit = committed  # type: ignore[method-assign]
    try:
        with connection.execute_wrapper(counted):
            yield seen
    finally:
        del twin.session.send, connection.commit


def _four(twin: StruckTwin) -> dict[str, int]:
    """Four outcomes and their limits; 95 cents in all."""
    limits = dict(zip(twin.markets, LIMITS, strict=True))
    limits[twin.add_market([(100, 2_000)], [(200, 2_000)])] = 200
    twin.sync()
    return limits


def _decision(twin: StruckTwin, limits: dict[str, int] | None = None, **columns: Any) -> Decision:
    profile = world.add_profile("live", mode="live", **columns)
    ledger.ensure_funded(profile)
    reconcile.ensure_reconciled()
    with transaction.atomic():
        shard_cash.lock(0, twin.row.exchange_index)  # its row is made once
    return world.decide(profile, twin.row, limits or dict(zip(twin.markets, LIMITS, strict=True)), 1_000)


@pytest.mark.parametrize("sending", ["thinnest_first", "all_at_once"])
def test_statements_of_a_basket_keep_to_their_budget(
    struck: StruckTwin, sending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what is counted is the way of a machine that is not busy
    monkeypatch.setattr(recheck, "CLEARED_FOR", timedelta(minutes=1))
    monkeypatch.setattr(gate, "AS_GOOD_AS_NOW", timedelta(minutes=1))
    limits = _four(struck)
    decision = _decision(struck, limits, sending=sending)
    handed.remember(decision.profile)
    with _counted(struck) as seen:
        position = executor.execute(decision.pk, handover.packed(decision))
    assert position is not None
    assert position.status == "open"
    before = seen[: seen.index(FIRST_ORDER)]
    assert before.count("COMMIT") == 1, "capital, position, legs and first orders are stored together"
    most = MESSAGES_BEFORE if connection.vendor == "postgresql" else BEFORE_FIRST_ORDER
    assert len(before) - 1 <= most, "\n".join(line[:90] for line in before)
    whole = [line for line in seen if line not in ("COMMIT", FIRST_ORDER)]
    most = IN_ALL[connection.vendor][sending == "all_at_once"]
    assert len(whole) <= most, "\n".join(line[:90] for line in whole)
    assert Fill.objects.count() == 4
    assert Watch.objects.get(source=f"position:{position.pk}").event_id == position.event_id
    assert Position.objects.filter(pk=position.pk, lease_token="", lease_until=None).exists()


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "the exchange is heard first"])
def test_hours_and_books_are_one_message_unless_the_exchange_is_heard_first(
    struck: StruckTwin, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "AS_GOOD_AS_NOW", timedelta(minutes=1 if is_known else -1))
    decision, read = _decision(struck, sending="all_at_once"), []
    send: Any = redis.Redis.execute_command

    def watched(client: redis.Redis, *args: Any, **options: Any) -> Any:
        read.append(args)
        return send(client, *args, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", watched)
    admitted = admission.take_up(decision)
    assert admitted is not None
    assert admitted.orders
    event = EVENT_KEY + struck.row.ticker
    assert [(exchange_hours.KEY in args, event in args) for args in read if {exchange_hours.KEY, event} & {*args}] == [
        (True, True),
        *([] if is_known else [(False, True)]),
    ]


def test_who_wants_to_leave_while_a_basket_is_bought_is_answered_once_it_is_open(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision, real = _decision(struck, sending="all_at_once"), PositionBooking.write

    def requested_before(booking: PositionBooking, **columns: Any) -> None:
        if columns.get("status") == "open":
            how = {"actor": "ann", "reason": "out", "below_floor": "a person said so"}
            ExitRequest.objects.create(position=booking.position, source="person", **how)
            assert executor.step(booking.position.pk).status == "executing", "the lease is taken"
        real(booking, **columns)

    monkeypatch.setattr(PositionBooking, "write", requested_before)
    position = executor.execute(decision.pk)
    assert position is not None
    assert (position.status, position.lease_token) == ("exiting", "")


def test_a_lease_that_another_worker_has_by_now_is_not_given_back_with_the_booking(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision, real = _decision(struck, sending="all_at_once"), locked_orders.read

    def taken_before(*args: Any) -> locked_orders.Locked:
        Position.objects.update(lease_token="theirs")
        return real(*args)

    monkeypatch.setattr(locked_orders, "read", taken_before)
    executor.execute(decision.pk)
    assert Position.objects.get().lease_token == "theirs"


def test_a_limit_lowered_after_the_profile_was_read_holds(struck: StruckTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = _decision(struck)
    real = ledger.holding

    def lowered(profile: Profile, amount: int) -> Statement:
        Profile.objects.filter(pk=profile.pk).update(max_per_position=world.DOLLAR)
        return real(profile, amount)

    monkeypatch.setattr(ledger, "holding", lowered)
    assert executor.execute(decision.pk) is None
    assert Denial.objects.get().code == "max_per_position"
    assert not Order.objects.exists()


def test_a_budget_lowered_after_the_plan_was_made_is_planned_for_again(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = _decision(struck)
    real, calls = ledger.holding, []

    def lowered(profile: Profile, amount: int) -> Statement:
        calls.append(amount)
        if len(calls) == 1:
            Profile.objects.filter(pk=profile.pk).update(min_profit=900 * world.DOLLAR)
        return real(profile, amount)

    monkeypatch.setattr(ledger, "holding", lowered)
    assert executor.execute(decision.pk) is None
    assert Denial.objects.get().code == "margin_gone"
    assert audit.totals(decision.profile) == []


def test_capital_that_another_worker_books_meanwhile_is_no_lack_of_it(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = world.add_profile("live", mode="live")
    reconcile.ensure_reconciled()
    decision = world.decide(profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)), 1_000)
    real, calls = pipeline.rows_of, []

    def booked_after(*statements: Statement) -> list[list[Any]]:
        if len(statements) == 1 or not statements[0].sql.startswith(f'UPDATE "{ProfileBalance._meta.db_table}"'):
            return real(*statements)
        held = real(statements[0])
        calls.append(held != [[]])
        if len(calls) == 1:
            ledger.ensure_funded(profile)
        return [*held, *real(*statements[1:])]

    monkeypatch.setattr(pipeline, "rows_of", booked_after)
    position = executor.execute(decision.pk)
    assert calls == [False, True]
    assert position is not None
    assert position.status == "open"


def test_orders_stored_with_their_position_leave_through_the_gate(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision, real = _decision(struck), gate.check
    checked: list[Order] = []

    def watched(*orders: Order) -> None:
        checked.extend(orders)
        real(*orders)

    monkeypatch.setattr(gate, "check", watched)
    executor.execute(decision.pk)
    assert {order.pk for order in checked} == set(Order.objects.values_list("pk", flat=True))


def test_orders_whose_gate_cannot_be_read_behind_their_commit_are_not_sent_and_are_given_up(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = _decision(struck, sending="all_at_once")
    with monkeypatch.context() as patched:
        patched.setattr(gate, "_reading", lambda orders: Statement("SELECT missing FROM nothing", ()))
        with pytest.raises(DatabaseError):
            executor.execute(decision.pk)
    position = Position.objects.get()
    assert (position.status, struck.session.posts) == ("executing", 0)
    assert set(position.orders.values_list("status", flat=True)) == {"sending"}, "written before sent"
    sent = clock.now() - timedelta(minutes=1)
    Order.objects.update(sent_at=sent, created_at=sent)
    Position.objects.update(lease_until=sent, created_at=sent)
    assert executor.step(position.pk).status == "aborted"
    assert (struck.session.posts, sum(struck.held().values())) == (0, 0)
    assert audit.totals(decision.profile) == []


def test_what_a_message_says_is_compared_with_the_row(struck: StruckTwin) -> None:
    decision = _decision(struck)
    handed.remember(decision.profile)
    sent = handover.unpacked(handover.packed(decision))
    assert sent is not None
    sent.legs = [leg | {"limit_price": 9_000} for leg in sent.legs]
    sent.count, sent.max_cost = 2_000, 10**9
    position = executor.execute(decision.pk, handover.packed(sent))
    assert position is not None
    assert position.target_count == 1_000
    assert set(Order.objects.values_list("price", flat=True)) == set(LIMITS)


@pytest.mark.parametrize(("now", "is_bought"), [(world.DOLLAR, False), (1_000 * world.DOLLAR, True)])
def test_a_profile_that_is_known_of_old_neither_permits_nor_denies(
    struck: StruckTwin, now: int, is_bought: bool
) -> None:
    decision = _decision(struck)
    old = Profile.objects.get(pk=decision.profile_id)
    old.max_per_position = old.min_profit = 1_001 * world.DOLLAR - now
    handed.remember(old)
    Profile.objects.filter(pk=old.pk).update(max_per_position=now)
    position = executor.execute(decision.pk, handover.packed(decision))
    assert (position is not None) == is_bought
    assert set(Denial.objects.values_list("code", flat=True)) == (set() if is_bought else {"max_per_position"})


def test_a_message_that_cannot_be_read_costs_a_statement_only(struck: StruckTwin) -> None:
    decision = _decision(struck)
    handed.remember(decision.profile)
    packed = handover.packed(decision)
    assert handover.unpacked(packed) == decision
    for text in ("", "{", "[]", "{}", packed.replace('"count"', '"number"'), packed.replace('"cost": ', '"cost": "x')):
        assert handover.unpacked(text) is None, text
    assert executor.execute(decision.pk, "{") is not None


def test_an_opened_basket_has_every_stage_of_its_purchase_in_order(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        recheck, "CLEARED_FOR", timedelta(minutes=1)
    )  # else a busy machine admits first and sends later
    decision = _decision(struck)
    Decision.objects.filter(pk=decision.pk).update(trace={"received": 1, "decided": trace.now()})
    position = executor.execute(decision.pk)
    assert position is not None
    stored = Position.objects.select_related("decision").get(pk=position.pk)
    found = trace.steps(stored.decision.trace | stored.trace)
    assert [stage for stage, _, _ in found] == [Stage.RECEIVED, Stage.DECIDED, *trace.AFTER]
    assert all(taken is None or taken >= 0 for _, _, taken in found)


def test_a_basket_that_another_step_completes_keeps_the_stages_that_it_went_through(
    struck: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = _decision(struck)
    monkeypatch.setattr(recheck, "CLEARED_FOR", timedelta(minutes=1))
    monkeypatch.setattr(fills.collect_all, "__defaults__", (None, (0.0,)))
    struck.session.answers["/portfolio/fills"] = b'{"fills": [], "cursor": ""}'
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.status == "executing"
    struck.session.answers.clear()
    position = executor.step(position.pk)
    assert position.status == "open"
    assert {stage.value for stage in trace.AFTER} == set(position.trace)


def test_orders_of_the_last_minute_are_not_searched_among_all_that_a_profile_ever_sent() -> None:
    name = "orders_of_a_profile_by_time"
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Order._meta.db_table)
    assert found[name]["columns"] == ["profile_id", "created_at"]
    if connection.vendor == "sqlite":  # Postgres decides by how many rows there are
        assert name in Order.objects.filter(profile=1, created_at__gt=clock.now()).explain()


def test_the_facts_of_an_admission_search_no_table_that_grows_with_what_is_over(struck: StruckTwin) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Postgres decides by how many rows there are")
    decision = _decision(struck)
    reading = facts.reading(decision, clock.now(), None)
    (plan,) = pipeline.rows_of(reading._replace(sql=f"EXPLAIN QUERY PLAN {reading.sql}"))
    lines = [str(row[-1]) for row in plan]
    assert any("positions_of_profile_and_event (profile_id=? AND event_id=?)" in line for line in lines)
    grows = ("positions_of_profile", "orders_of_a_profile")
    assert not [line for line in lines if any(one in line for one in grows) and "(profile_id=?)" in line]
    # The comparisons of the last minutes, found by the first that ended well.
    assert [line for line in lines if line.startswith("SCAN")] == ["SCAN U0"]
