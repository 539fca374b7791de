"""The database itself keeps the ledger: balanced, for ever, and every entry leads to what it books."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model

from kalbot.common.db import pipeline
from kalbot.console.pages.home import summary
from markets.models import Market
from strategies.models import Profile
from tests.trading import world
from trading.accounting import audit, ledger
from trading.accounting.posting import Posting
from trading.closing import exits, settlement
from trading.execution import executor
from trading.limits import day, facts
from trading.models import (
    Account,
    CapitalChange,
    Discrepancy,
    Fill,
    LedgerEntry,
    LedgerTransaction,
    Leg,
    Position,
    Settlement,
)
from trading.reconciliation import reconcile

pytestmark = pytest.mark.each_row

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def _settled() -> Position:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    position = executor.execute(world.decide(profile, event, LIMITS).pk)
    assert position is not None
    Market.objects.filter(pk="KXT-1-0").update(status="finalized", result="yes", settlement_value_e6=1_000_000)
    settlement.run()
    exits.request_exit(position_id=position.pk, actor="test", reason="test", below_floor="a test")
    executor.step(position.pk)
    position.refresh_from_db()
    return position


def _checked() -> None:
    """What a commit would check."""
    if connection.vendor == "sqlite":
        connection.check_constraints()
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _book(booked: LedgerTransaction, **amounts: int) -> None:
    with transaction.atomic():
        for account, amount in amounts.items():
            LedgerEntry.objects.create(transaction=booked, account=account, amount=amount)
        _checked()


@pytest.mark.parametrize("amount", [1, -1, 10**12])
def test_entries_that_do_not_balance_are_not_committed(amount: int) -> None:
    _settled()
    last = LedgerTransaction.objects.latest("id")
    with pytest.raises(IntegrityError):
        _book(last, cash=amount)
    _book(last, position_cost=amount, capital=-amount)


@pytest.mark.parametrize("account", ["cash", "reserved", "realised"])
def test_entries_that_a_transaction_does_not_speak_of_are_not_committed(account: str) -> None:
    _settled()
    last = LedgerTransaction.objects.latest("id")
    with pytest.raises(IntegrityError):
        _book(last, **{account: 1, "capital": -1})
    _book(last, cash=1, reserved=-1)  # moves nothing in all


def test_every_transaction_says_what_its_entries_add_up_to() -> None:
    _settled()
    for booked in LedgerTransaction.objects.all():
        entries = dict.fromkeys(Account.values, 0)
        for entry in booked.entries.all():
            entries[entry.account] += entry.amount
        assert (booked.cash_moved, booked.realised) == (entries["cash"] + entries["reserved"], entries["realised"])


@pytest.mark.parametrize("is_old", [False, True])
def test_a_result_counts_once_in_the_limits_of_the_day_and_in_the_curve(
    is_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_old:  # the entries only
        monkeypatch.setattr(Posting, "sum_of", lambda *of: None)
    profile = _settled().profile
    entries = LedgerEntry.objects.filter(account="realised").values_list("amount", flat=True)
    assert len(entries) > 1
    assert day.realised_today([profile]) == {profile.pk: -sum(entries)}
    decision = world.decide(profile, world.add_event("KXT-2"), {"KXT-2-0": 3_000}, kind="coverage")
    (rows,) = pipeline.rows_of(facts.reading(decision, day.midnight(profile), None))
    assert facts.of_rows(decision, rows).realised_today == -sum(entries)
    assert summary.realised_curve("sim")[-1][1] == -sum(entries)


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_entries_that_do_not_balance_is_refused() -> None:
    profile = world.add_profile()
    ledger.ensure_funded(profile)
    last = LedgerTransaction.objects.latest("id")
    with pytest.raises(IntegrityError):
        LedgerEntry.objects.create(transaction=last, account="cash", amount=1)
    assert audit.totals(profile) == []


@pytest.mark.parametrize("model", [LedgerEntry, LedgerTransaction, Fill, Settlement, CapitalChange])
def test_what_is_booked_is_never_changed_or_deleted(model: type[Model]) -> None:
    _settled()
    rows: Any = model._default_manager.all()
    column = "key" if model is LedgerTransaction else "count" if model in (Fill, Settlement) else "amount"
    value: Any = "other" if column == "key" else F(column) + 1
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.filter(pk=rows.latest("pk").pk).update(**{column: value})
    with pytest.raises(IntegrityError), transaction.atomic():
        rows._raw_delete(rows.db)


def test_every_transaction_leads_to_what_it_books() -> None:
    position = _settled()
    assert position.status in ("closed", "settled")
    for row in LedgerTransaction.objects.all():
        sources = [row.fill, row.settlement, row.correction, row.capital_change]
        assert sum(one is not None for one in sources) == (row.kind not in ("reserve", "release")), row.kind
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.post(profile=position.profile, kind="fill", key="k", entries=[("cash", 1), ("capital", -1)])


def test_totals_of_positions_are_audited_against_the_entries() -> None:
    position = _settled()
    assert audit.positions("sim") == []
    Position.objects.filter(pk=position.pk).update(realised=F("realised") + 7)
    Leg.objects.filter(position=position, market_id="KXT-1-1").update(open_cost=9)
    assert [name for _, name, _, _ in audit.positions("sim")] == ["open cost of its legs", "realised"]
    for column in ("fees", "proceeds", "payout"):
        with transaction.atomic():
            Position.objects.filter(pk=position.pk).update(**{column: F(column) + 1})
            assert column in [name for _, name, _, _ in audit.positions("sim")]
            transaction.set_rollback(True)
    reconcile.run("sim", "test")
    assert Discrepancy.objects.filter(code="ledger_positions", key__startswith=f"position {position.pk}").count() == 2


def test_a_stale_profile_books_no_withdrawal() -> None:
    profile = world.add_profile()
    stale = Profile.objects.get(pk=profile.pk)
    ledger.ensure_funded(profile)
    ledger.deposit(profile, 500 * world.DOLLAR, "ann")
    ledger.ensure_funded(stale)
    assert CapitalChange.objects.filter(amount__lt=0).count() == 0
    assert ledger.balance_of(profile).capital == -1_500 * world.DOLLAR


def test_what_is_booked_is_neither_replaced_nor_emptied_as_a_whole() -> None:
    _settled()
    _checked()  # what waits for the commit would refuse a TRUNCATE too
    before = list(LedgerEntry.objects.order_by("pk").values_list())
    if connection.vendor == "sqlite":
        statement = "REPLACE INTO trading_ledgerentry SELECT * FROM trading_ledgerentry"
    else:
        statement = "TRUNCATE trading_ledgerentry"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(LedgerEntry.objects.order_by("pk").values_list()) == before
