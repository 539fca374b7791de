"""What the exchange undoes after it was booked: a deposit or withdrawal that failed, a market settled again beside contracts of others."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from simulator.flow import second_actor
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import balance_check
from trading.execution import executor
from trading.models import AccountTransaction, Discrepancy, ExchangeAccount, Position
from trading.reconciliation import reconcile

DOLLAR = 1_000_000
LIMITS = (3_000, 3_200, 3_100)


def _bought(twin: Twin) -> Position:
    decision = world.decide(
        world.add_profile("live", mode="live"), twin.row, dict(zip(twin.markets, LIMITS, strict=True))
    )
    position = executor.execute(decision.pk)
    assert position is not None
    return position


def _person(twin: Twin, what: str, **terms: Any) -> None:
    did = second_actor.act(twin.exchange, what, {"tickers": [twin.markets[0]]} | terms, Random(1))
    assert did["did"] == what, did


def _agrees() -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def _say(twin: Twin, status: list[str]) -> None:
    """Deposits and withdrawals are listed with the last of ``status``."""
    send = twin.session.send

    def changed(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        name = request.url.split("?")[0].rpartition("/")[2]
        if name in ("deposits", "withdrawals"):
            body = json.loads(answer.content)
            body[name] = [one | {"status": status[-1]} for one in body[name]]
            answer._content = json.dumps(body).encode()
        return answer

    twin.session.send = changed  # type: ignore[method-assign]


@pytest.mark.parametrize("is_opening", [True, False])
@pytest.mark.parametrize(("what", "sign"), [("deposit", 1), ("withdraw", -1)])
def test_money_that_failed_or_was_returned_after_it_had_taken_effect_is_taken_back(
    twin: Twin, what: str, sign: int, is_opening: bool
) -> None:
    if is_opening:
        _person(twin, what, amount=30 * DOLLAR)
    world.add_profile("live", mode="live")
    reconcile.run("live", "test")
    if not is_opening:
        _person(twin, what, amount=30 * DOLLAR)
        _agrees()
    said = ["applied"]
    _say(twin, said)
    for status, change in (("failed", -1), ("applied", 1), ("returned", -1)):
        said.append(status)
        twin.exchange.ledger.credit((0, 0), sign * change * 30 * DOLLAR)
        _agrees()
        _agrees()
    booked = sum(AccountTransaction.objects.values_list("amount", flat=True))
    assert booked == (-sign * 30 * DOLLAR if is_opening else 0)


@pytest.mark.parametrize("beside", [True, False])
def test_contracts_of_a_person_in_a_market_that_is_settled_again_are_paid_again(twin: Twin, beside: bool) -> None:
    profile = _bought(twin).profile if beside else world.add_profile("live", mode="live")
    reconcile.run("live", "test")
    _person(twin, "buy", side="bid", count=333, rest=False)
    _agrees()
    first = twin.markets[0]
    twin.finish(first)
    _agrees()
    for result, value, theirs in (("no", None, 0), ("scalar", 3_333, 1_110_000), ("yes", None, 3_330_000)):
        twin.correct(first, result, value)
        _agrees()
        paid = sum(AccountTransaction.objects.filter(kind="settlement").values_list("amount", flat=True))
        assert abs(paid - theirs) <= 10_000, "the cent that rounding of both together leaves is theirs"
    assert not ExchangeAccount.objects.get().foreign
    assert balance_check.summary(profile)["difference"] == 0
