"""What is listed long after an account was first read and is dated before it: the balance decides, and nothing is booked twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import time_machine

from kalbot.common import clock
from simulator.accounts import transfers
from simulator.flow import second_actor
from tests.trading import live_twin, world
from tests.trading.rewriting import FILLS, Body, Rewriting, RewritingTwin
from trading.models import AccountTransaction, Discrepancy, ExchangeAccount
from trading.reconciliation import reconcile

TRANSFERS = ("GET", "/portfolio/subaccounts/transfers")
TIMES = ("GET", "/exchange/user_data_timestamp")
LATER = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    """Time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


@pytest.fixture
def twin(settings: Any, monkeypatch: pytest.MonkeyPatch) -> RewritingTwin:
    """Of our profiles one trades on a subaccount with $50, which is not read yet."""
    found = RewritingTwin()
    found.session = Rewriting(found.exchange)
    live_twin.connect(settings, found)
    found.exchange.ledger.credit((1, 0), 50 * world.DOLLAR)
    world.add_profile("other", mode="live", subaccount=1)
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    return found


def _acts(twin: RewritingTwin, what: str, number: int = 0, times: int = 10) -> None:
    """Somebody buys on the subaccount, or moves money there."""
    if what == "transfer":
        transfers.between_subaccounts(twin.exchange, str(UUID(int=10 * number + times)), times * world.DOLLAR, 0, 0, 1)
    for side in {"trade": ["bid"], "both ways": ["bid", "ask"]}.get(what, []):
        terms = {"tickers": [twin.markets[number]], "side": side, "count": 30 * times, "rest": False, "subaccount": 1}
        second_actor.act(twin.exchange, "buy", terms, Random(1))


def _unlisted(body: Body) -> None:
    for name in ("fills", "transfers"):
        body[name] = []


def _read_first(twin: RewritingTwin, now: Any) -> None:
    """The lists are behind for longer than a first read waits."""
    twin.session.rewrite |= dict.fromkeys((FILLS, TRANSFERS), _unlisted)
    reconcile.run("live", "test")
    assert ExchangeAccount.objects.filter(subaccount=1).exists()
    twin.session.rewrite.clear()
    now.shift(LATER)


def _books() -> tuple[dict[str, int], list[int], list[tuple[str, str]]]:
    """(contracts that are not ours, what is booked beside us on the subaccount, what is named)."""
    row = reconcile.run("live", "test")
    assert row.error == ""
    booked = AccountTransaction.objects.filter(account__subaccount=1).order_by("pk")
    named = Discrepancy.objects.filter(resolved_at=None).order_by("code", "key")
    return (
        ExchangeAccount.objects.get(subaccount=1).foreign,
        list(booked.values_list("amount", flat=True)),
        list(named.values_list("code", "key")),
    )


@pytest.mark.parametrize("what", ["transfer", "trade", "both ways"])
def test_what_the_opening_balance_had_is_not_booked_when_it_is_listed_at_last(
    twin: RewritingTwin, now: Any, what: str
) -> None:
    _acts(twin, what)
    _read_first(twin, now)
    held = {twin.markets[0]: 300} if what == "trade" else {}
    rows = [0] * (2 if what == "both ways" else 1)
    assert _books() == (held, rows, [])
    _acts(twin, what, 1)
    now.shift(LATER)
    foreign, booked, named = _books()
    assert (len(booked), named, sum(booked) != 0) == (2 * len(rows), [], True), "what comes later is booked"
    assert foreign == held | ({twin.markets[1]: 300} if what == "trade" else {})


@pytest.mark.parametrize("what", ["transfer", "trade", "both ways"])
def test_what_the_opening_balance_did_not_have_is_booked_although_it_is_dated_before(
    twin: RewritingTwin, now: Any, what: str
) -> None:
    """Cash and contracts lagged behind, not the lists."""
    _read_first(twin, now)
    _acts(twin, what)
    ExchangeAccount.objects.update(created_at=clock.now() + timedelta(seconds=1))
    foreign, booked, named = _books()
    assert (len(booked), named, sum(booked) != 0) == (2 if what == "both ways" else 1, [], True)
    assert foreign == ({twin.markets[0]: 300} if what == "trade" else {})


@pytest.mark.parametrize("what", ["transfer", "trade"])
def test_what_the_balance_explains_neither_with_nor_without_is_named_and_not_booked(
    twin: RewritingTwin, now: Any, what: str
) -> None:
    _acts(twin, what)
    now.shift(2)  # in another second
    _read_first(twin, now)
    _acts(twin, what, times=3)  # and more, which is not listed
    twin.session.rewrite |= dict.fromkeys((FILLS, TRANSFERS), _first_only)
    _, booked, named = _books()
    assert booked == []
    assert named == ([("cash", "1"), ("position", f"1:{twin.markets[0]}")] if what == "trade" else [("cash", "1")])


@pytest.mark.parametrize("what", ["transfer", "trade"])
def test_nothing_is_decided_by_a_balance_from_before(twin: RewritingTwin, now: Any, what: str) -> None:
    _acts(twin, what)
    _read_first(twin, now)
    at = (clock.now() - LATER - timedelta(seconds=1)).isoformat()
    twin.session.rewrite[TIMES] = lambda body: body.update(as_of_time=at)
    assert _books()[1:] == ([], [])
    twin.session.rewrite.clear()
    assert _books()[1:] == ([0], [])


def _first_only(body: Body) -> None:
    for name in ("fills", "transfers"):
        if name in body:
            body[name] = sorted(body[name], key=lambda one: one.get("created_time") or one.get("created_ts"))[:1]
