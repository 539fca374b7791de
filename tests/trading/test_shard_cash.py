"""Free cash of a shard by one statement is what adding up every row by hand says."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from django.db import transaction

from kalbot.common import clock
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading.accounting import ledger, shard_cash
from trading.accounting.posting import Posting
from trading.models import ACTIVE, Account, ExchangeAccount, LedgerTransaction, Position, ShardCash

pytestmark = pytest.mark.django_db
MONEY = 10**9
KINDS = ("reserve", "release", "collateral")


def _add_position(number: int, draw: Random, *, live: bool, subaccount: int | None) -> Position:
    mode = "live" if live else "sim"
    profile = world.add_profile(f"p{number}", mode=mode, subaccount=subaccount)
    event = world.add_event(f"KXT-{number}", exchange_index=number % 2)
    decision = world.decide(profile, event, {f"KXT-{number}-0": 3_000}, kind="coverage")
    ledger.ensure_funded(profile)
    position = Position.objects.create(
        profile=profile,
        mode=mode,
        decision=decision,
        event=event,
        kind="coverage",
        target_count=100,
        reserved=draw.randrange(1_000),
        status=draw.choice(["open", "executing", "closed"]),
    )
    with transaction.atomic():
        ledger.move_reserve(position, 10**6, f"first:{number}")
    return position


def _book(position: Position, number: int, draw: Random) -> None:
    kind, amount = draw.choice(KINDS), draw.randrange(1, 1_000)
    if kind == "collateral":
        entries = [
            (Account.CASH, draw.choice((0, amount, -amount))),
            (Account.RESERVED, draw.choice((amount, -2 * amount))),
        ]
        entries.append((Account.RETURNED, -sum(money for _, money in entries)))
    else:
        sign = 1 if kind == "reserve" else -1
        entries = [(Account.CASH, -sign * amount), (Account.RESERVED, sign * amount)]
    ledger.post(profile=position.profile, kind=kind, key=f"{number}", entries=entries, position=position)


def _by_hand(account: ExchangeAccount, shard: int) -> int:
    """What every row says, one by one."""

    def counts(position: Position) -> bool:
        own = (position.profile.subaccount or 0) == account.subaccount and position.mode == "live"
        return own and (not account.shards or position.event.exchange_index == shard)

    found = int(account.shards.get(str(shard), 0)) if account.shards else account.balance
    for position in Position.objects.select_related("profile", "event"):
        if counts(position) and position.status in ACTIVE:
            found -= position.reserved
    for booked in LedgerTransaction.objects.filter(position__isnull=False).select_related("position"):
        accounts = (Account.CASH, Account.RESERVED)
        cash = sum(entry.amount for entry in booked.entries.all() if entry.account in accounts)
        if counts(booked.position) and booked.at > account.seen_at - shard_cash.READ_LAG:  # type: ignore[arg-type]
            found += min(0, cash)
    return found


@pytest.mark.alike
@pytest.mark.parametrize("shards", [{}, {"0": MONEY}, {"0": MONEY, "1": MONEY // 2}])
@pytest.mark.parametrize("seed", range(3))
def test_free_cash_is_what_every_row_added_up_says(
    seed: int, shards: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, real = Random(seed), Posting.sum_of
    # some are old: they have the entries only
    monkeypatch.setattr(Posting, "sum_of", lambda *of: draw.choice((real(*of), None)))
    accounts = [
        ExchangeAccount.objects.create(
            subaccount=subaccount, opening=0, balance=MONEY, shards=shards, seen_at=clock.now()
        )
        for subaccount in (0, 3)
    ]
    positions = [
        _add_position(number, draw, live=number % 4 != 3, subaccount=draw.choice((None, 0, 3))) for number in range(12)
    ]
    with transaction.atomic():
        for number in range(60):
            _book(draw.choice(positions), number, draw)
    for seen_ago in (timedelta(0), timedelta(seconds=-20)):  # read before all of it, and after
        ExchangeAccount.objects.update(seen_at=clock.now() - seen_ago)
        for account in accounts:
            account.refresh_from_db()
            for shard in (0, 1, 2):
                assert shard_cash.free(account.subaccount, shard) == _by_hand(account, shard)


def test_what_is_set_aside_moves_nothing_between_cash_and_what_is_spent() -> None:
    """The kinds that the statement leaves out without adding them up."""
    assert set(shard_cash.MOVES_NOTHING) == {"reserve", "release"}
    position = _add_position(1, Random(1), live=True, subaccount=None)
    with transaction.atomic():
        ledger.move_reserve(position, 70, "up")
        ledger.move_reserve(position, -30, "down")
        ledger.book_reserve(position, 20)
        position.refresh_from_db()
        ledger.move_reserve(position, 10**6, "more")
        ledger.post_new(position.profile_id, position.mode, [ledger.releasing(position, 1, position.reserved)])
    booked = LedgerTransaction.objects.filter(kind__in=shard_cash.MOVES_NOTHING)
    assert booked.count() == 6
    for one in booked:
        assert {entry.account for entry in one.entries.all()} == {Account.CASH, Account.RESERVED}


def test_the_first_basket_of_a_shard_makes_the_row_that_later_ones_wait_for(struck: StruckTwin) -> None:
    assert not ShardCash.objects.exists()
    assert execute(struck).status == "open"
    assert list(ShardCash.objects.values_list("subaccount", "shard")) == [(0, struck.row.exchange_index)]


def test_whether_shards_are_listed_is_each_accounts_own(struck: StruckTwin) -> None:
    """The primary account lists none, so all of its cash is one; what another one lists says nothing of that."""
    position = execute(struck)
    Position.objects.filter(pk=position.pk).update(reserved=7_000_000)
    now = clock.now() + timedelta(minutes=1)
    ExchangeAccount.objects.update(balance=50_000_000, shards={}, seen_at=now)
    assert shard_cash.free(0, 1) == 43_000_000
    ExchangeAccount.objects.create(subaccount=5, balance=1, opening=0, shards={"0": 1}, seen_at=now)
    assert shard_cash.free(0, 1) == 43_000_000
