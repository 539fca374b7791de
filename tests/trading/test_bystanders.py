"""Whatever happens to one basket, the rows of all others stay as they are: each table has a row that looks like the one that is meant.

What narrows an UPDATE to its row is one keyword; without it every test with a single position passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from django.apps import apps
from django.db.models import Model

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading import states
from trading.accounting import account_ledger, accounts, balance_check, ledger, pool
from trading.accounting.collateral_mode import choose
from trading.closing import exits, settlement
from trading.closing.finals import FinalResult
from trading.execution import executor
from trading.execution.orders import cancel as cancelling
from trading.execution.orders import record
from trading.models import (
    CapitalChange,
    Discrepancy,
    ExchangeAccount,
    ExitRequest,
    Leg,
    Lock,
    PaperOrder,
    Position,
    Settlement,
    TradingState,
)
from trading.reconciliation import reconcile
from trading.safety import discrepancies, halt, resolution

ANOTHER = 9
"""A subaccount that nobody else trades on."""


def _rows() -> dict[tuple[str, Any], dict[str, Any]]:
    """Every row of trading's tables."""
    return {
        (model.__name__, row["pk"]): row
        for model in apps.get_app_config("trading").get_models()
        for row in model._default_manager.values("pk", *(field.attname for field in model._meta.concrete_fields))
    }


@contextmanager
def _unchanged(*but: Model) -> Iterator[None]:
    """Nothing that is there now is another at the end, but for ``but``."""
    known = {(type(one).__name__, one.pk) for one in but}
    before = {key: row for key, row in _rows().items() if key not in known}
    yield
    after = _rows()
    for key, row in before.items():
        now = after.get(key)
        assert now is not None, f"{key} is gone"
        assert {name: (value, now[name]) for name, value in row.items() if now[name] != value} == {}, key


def _bystander(number: int, mode: str, status: str, order: str, **columns: Any) -> Position:
    """A position of another profile in another event, held by a worker, with a row of its own in every table."""
    profile = world.add_profile(f"bystander-{number}", mode=mode, subaccount=ANOTHER if mode == "live" else None)
    found = world.add_order(
        number,
        profile,
        status=order,
        filled_count=200,
        reported_fill_count=300,
        exchange_order_id=f"e{number}",
        sent_at=clock.now(),
        expires_at=clock.now() + timedelta(hours=1),
    )
    position, leg = found.position, found.leg
    Leg.objects.filter(pk=leg.pk).update(bought_count=200, bought_cost=600_000, open_cost=600_000)
    Position.objects.filter(pk=position.pk).update(
        status=status,
        reserved=700,
        cost=600_000,
        lease_token="theirs",
        lease_until=clock.now() + timedelta(seconds=40),
        next_step_at=clock.now() + timedelta(seconds=60),
        **columns,
    )
    ledger.ensure_funded(profile)
    ExitRequest.objects.create(position=position, source="person", actor="bob", reason="theirs")
    Lock.objects.create(profile=profile, code="residual", reason="theirs", until=clock.now() + timedelta(hours=1))
    TradingState.objects.create(
        scope=halt.scope_of(profile), profile=profile, state="reducing", reason="r", actor="bob"
    )
    Settlement.objects.create(
        leg=leg, mode=mode, version=1, result="yes", value_e6=1, count=1, payout=1, cost=1, fees=0
    )
    Discrepancy.objects.create(code="cash", key=f"{ANOTHER}{number}", mode=mode, profile=profile, ours="1", theirs="2")
    if mode == "live":
        states.claim(position, ANOTHER)
    else:
        PaperOrder.objects.create(
            order=found,
            profile=profile,
            market=leg.market,
            side="yes",
            action="buy",
            remaining_count=5,
            fills=[],
            at=clock.now(),
        )
    return position


def _bystanders() -> None:
    for number, (mode, status, order) in enumerate(
        (
            ("live", "open", "resting"),
            ("live", "unwinding", "booking"),
            ("live", "exiting", "sending"),
            ("live", "completing", "done"),
            ("sim", "open", "resting"),
            ("sim", "quoting", "resting"),
        ),
        40,
    ):
        _bystander(number, mode, status, order)
    ExchangeAccount.objects.create(
        subaccount=ANOTHER,
        opening=5,
        balance=6,
        difference=7,
        collateral="on",
        collateral_reading={"a": 1},
        seen_at=clock.now(),
        compared_at=clock.now(),
        foreign={"KXT-1-0": 3},
        opening_shards={"0": 5},
    )


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _own(position: Position) -> list[Model]:
    """What may change with a position: its rows, its profile's and its account's."""
    found: list[Model] = [position, position.profile, *position.legs.all(), *position.orders.all()]
    found += [*position.exit_requests.all(), *position.profile.locks.all(), *position.claims.all()]
    found += [*Settlement.objects.filter(leg__position=position)]
    found += [ledger.balance_of(position.profile), *ExchangeAccount.objects.filter(subaccount=0)]
    return found + list(TradingState.objects.filter(profile=position.profile))


def test_an_exit_a_withdrawal_and_a_settlement_change_their_own_rows_alone(struck: StruckTwin) -> None:
    assert reconcile.run("live", "test").error == ""
    _bystanders()
    with _unchanged(*ExchangeAccount.objects.filter(subaccount=0)):
        position = execute(struck)
    assert position.status == "open"
    with _unchanged(*_own(position)):
        exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="now")
        exits.withdraw(position.pk, actor="ann", reason="no")
    part = {(leg.market_id, "yes"): 200 for leg in position.legs.all()}
    with _unchanged(*_own(position)):
        exits.request_exit(position_id=position.pk, actor="ann", reason="part", counts=part, below_floor="now")
        position = executor.step(position.pk)
    assert struck.held() == dict.fromkeys(struck.markets, 800)
    legs = list(position.legs.order_by("sequence"))
    with _unchanged(*_own(position)):
        assert settlement.settle_leg(legs[0].pk, FinalResult("yes", world.DOLLAR), 300)
        assert settlement.settle_leg(legs[0].pk, FinalResult("yes", world.DOLLAR))
    with _unchanged(*_own(position)):
        assert settlement.rebook(Settlement.objects.filter(leg=legs[0]).latest("id").pk, FinalResult("no", 0))
    for leg in legs[1:]:
        with _unchanged(*_own(position)):
            assert settlement.settle_leg(leg.pk, FinalResult("no", 0))
    position.refresh_from_db()
    assert position.status == "settled"
    assert balance_check.summary(position.profile)["difference"] == 0


def test_an_unwind_a_late_fill_and_a_correction_change_their_own_rows_alone(struck: StruckTwin) -> None:
    assert reconcile.run("live", "test").error == ""
    _bystanders()

    def vanish() -> None:
        struck.cancel_makers(struck.markets[2], "ask")
        struck.sync()

    struck.session.before = {3: vanish}
    with _unchanged(*ExchangeAccount.objects.filter(subaccount=0)):
        position = execute(struck)
    assert position.status in ("unwinding", "aborted")
    for seconds in (3, 6):
        with _unchanged(*_own(position)), _later(seconds):
            struck.sync()
            position = executor.step(position.pk)
    order = position.orders.filter(action="buy").order_by("created_at")[0]
    with _unchanged(*_own(position), order):
        record.move(order, (order.status,), "booking", reported_fill_count=order.filled_count)
        record.move(order, ("booking",), "done")
        assert not record.move(order, ("sending",), "unknown")


def test_what_people_do_to_an_account_or_a_profile_changes_its_own_rows_alone(struck: StruckTwin) -> None:
    assert reconcile.run("live", "test").error == ""
    _bystanders()
    position = execute(struck)
    profile = Profile.objects.get(name="live")
    account = ExchangeAccount.objects.get(subaccount=0)
    ExchangeAccount.objects.filter(pk=account.pk).update(difference=500)
    row = discrepancies.found(None, Discrepancy.Code.CASH, "0", ours="1", theirs="2", amount=500, tightens=False)
    acts: list[Callable[[], object]] = [
        lambda: account_ledger.accept_cash("counted", "ann", 0),
        lambda: accounts.compared(account, 12),
        lambda: accounts.cash_was_moved(account, {"0": 5, "1": -5}),
        lambda: choose(account, "learning"),
        lambda: ledger.deposit(profile, 1_000_000, "ann"),
        lambda: ledger.reserve_up_to(position, position.reserved + 1_000),
        lambda: halt.set_state(state="reducing", actor="ann", reason="r", profile=profile),
        lambda: halt.tighten(state="halted", actor="ann", reason="r", profile=profile),
        lambda: discrepancies.close(row, actor="ann", resolution="known"),
        lambda: pool.sweep(profile),
        lambda: states.schedule(Position.objects.get(pk=position.pk), clock.now(), attempts=3),
        lambda: states.note(position, "noted"),
    ]
    for number, act in enumerate(acts):
        with _unchanged(*_own(position), row):
            assert act() is not False, number
    assert ExchangeAccount.objects.get(subaccount=ANOTHER).difference == 7
    known = discrepancies.found(None, Discrepancy.Code.FILL_IMPOSSIBLE, "f", theirs="1", profile=profile)
    with _unchanged(*_own(position), known):
        resolution.resolve(known.pk, actor="ann", reason="known")
    assert not CapitalChange.objects.exclude(profile=profile).filter(actor="ann").exists()


def test_a_resting_order_is_cancelled_alone() -> None:
    _bystanders()
    order = world.add_order(1, status="resting", price=2_900)
    PaperOrder.objects.create(
        order=order,
        profile=order.profile,
        market=order.leg.market,
        side="yes",
        action="buy",
        remaining_count=1_000,
        fills=[],
        at=clock.now(),
    )
    with _unchanged(order, PaperOrder.objects.get(pk=order.pk), order.position):
        cancelling.refresh(order, cancel=True)
    order.refresh_from_db()
    assert order.status in ("booking", "done")
    assert not PaperOrder.objects.get(pk=order.pk).is_open
