"""The double-entry ledger: every movement of a profile's money is a transaction whose entries sum to zero.

Debit (what a profile has or has spent) is positive, credit negative:

=============  =======================================================================
account        balance
=============  =======================================================================
capital        credit: what was deposited
cash           debit: free to be reserved
reserved       debit: set aside for a position's orders
position_cost  debit: price paid for what is held
fees           debit: fees paid for what is held (they are part of cost)
realised       credit: profit of what was sold or settled
returned       credit: collateral that the exchange has credited and will take back
=============  =======================================================================

A transaction has a key and is booked once however often it is tried. All money in micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models import F, Model, Sum

from kalbot.common.db import direct, instances
from kalbot.common.db.pipeline import Statement
from kalbot.common.units import dollars
from strategies.models import Mode, Profile
from trading.accounting import shard_cash, totals
from trading.accounting.posting import Entry, Posting
from trading.denials import DenialCode, Denied
from trading.models import Account, CapitalChange, LedgerEntry, LedgerTransaction, Position, ProfileBalance


class Overtaken(Exception):
    """Another worker changed or took the position meanwhile; this one stops without having done anything."""


def balance_of(profile: Profile) -> ProfileBalance:
    """The profile's running totals; made on first use."""
    found, _ = ProfileBalance.objects.get_or_create(profile=profile, defaults={"mode": profile.mode})
    return found


def post(
    *,
    profile: Profile,
    kind: str,
    key: str,
    entries: Iterable[Entry],
    position: Position | None = None,
    memo: str = "",
    is_new: bool = False,
    **source: Model | None,
) -> bool:
    """Book one transaction. False when ``key`` is booked already. Must run inside ``transaction.atomic``.

    ``source``: the row that it books, as ``fill``, ``settlement``, ``correction`` or ``capital_change``.
    ``is_new``: the caller's own unique row proves that the key cannot be booked yet; should it be, everything is rolled back.
    """
    posting = Posting(kind, key, tuple(entries), position, source, memo)
    booked = posting.row(profile.pk, profile.mode)
    if is_new:
        direct.insert([booked])
    elif not _inserted(booked):
        return False
    _book_lines(profile.pk, profile.mode, [(booked, posting)])
    return True


def post_new(profile_id: int, mode: str, postings: Sequence[Posting], *, has_totals: bool = False) -> None:
    """Book transactions of one profile, each of which the caller's own unique row proves to be new. Should one be booked already,
    everything is rolled back. Must run inside ``transaction.atomic``. ``has_totals``: it is known that the profile has its row of them."""
    rows = [posting.row(profile_id, mode) for posting in postings]
    direct.insert(rows)
    _book_lines(profile_id, mode, list(zip(rows, postings, strict=True)), has_totals=has_totals)


def _book_lines(
    profile_id: int, mode: str, booked: Sequence[tuple[LedgerTransaction, Posting]], *, has_totals: bool = False
) -> None:
    """Write the entries, and bring the running totals up to them. The best result is that after each transaction that belongs to no
    basket; a basket counts when it has ended (``totals.raise_best``)."""
    direct.insert(
        [
            instances.new(LedgerEntry, transaction=row, account=account, amount=amount)
            for row, posting in booked
            for account, amount in posting.lines
        ]
    )
    change: dict[str, int] = {}
    lowest = 0
    for _, posting in booked:
        for account, amount in posting.lines:
            change[account] = change.get(account, 0) + amount
        if posting.position is None:
            lowest = min(lowest, change.get(Account.REALISED, 0))
    totals.add(profile_id, mode, change, lowest, is_there=has_totals)


def _inserted(booked: LedgerTransaction) -> bool:
    if LedgerTransaction.objects.filter(key=booked.key).exists():
        return False
    try:
        with transaction.atomic():
            booked.save(force_insert=True)
    except IntegrityError:
        if LedgerTransaction.objects.filter(key=booked.key).exists():
            return False  # another worker was first
        raise
    return True


def ensure_funded(profile: Profile, actor: str = "kalbot") -> None:
    """Book what is missing so that the ledger's capital equals the profile's (a withdrawal when it was lowered), as the database has
    it now: an object that was read long ago books nothing.

    Capital lowered below what is in positions makes cash negative: nothing new is bought until positions return it.
    """
    if -balance_of(profile).capital == Profile.objects.get(pk=profile.pk).working:
        return
    with transaction.atomic():
        balance = ProfileBalance.objects.select_for_update().get(profile=profile)
        current = Profile.objects.get(pk=profile.pk)
        missing = current.working + balance.capital
        if missing:
            _book(CapitalChange(profile=current, amount=missing, actor=actor))


def deposit(profile: Profile, amount: int, actor: str) -> None:
    """Raise (or, negative, lower) the profile's capital limit and book the money. Raises ValueError below zero."""
    with transaction.atomic():
        balance_of(profile)
        ProfileBalance.objects.select_for_update().get(profile=profile)
        current = Profile.objects.get(pk=profile.pk)
        if current.capital + amount < 0:
            raise ValueError("a profile cannot have less than no capital")
        Profile.objects.filter(pk=profile.pk).update(capital=F("capital") + amount)
        profile.capital = current.capital + amount
        ensure_funded(profile, actor)


def move(profile: Profile, amount: int, kind: CapitalChange.Kind, actor: str, other: Profile | None = None) -> bool:
    """Give ``profile`` ``amount`` more to work with (negative: less), beside its capital. False, and nothing is booked, when it has not
    as much free. Must run inside ``transaction.atomic``; of two profiles the one with the lower id is moved first."""
    ensure_funded(profile)
    balance = ProfileBalance.objects.select_for_update().get(profile=profile)
    if balance.cash + amount < 0:
        return False
    swept = -amount if kind == CapitalChange.Kind.SWEEP else 0
    Profile.objects.filter(pk=profile.pk).update(moved=F("moved") + amount, swept=F("swept") + swept)
    _book(CapitalChange(profile=profile, amount=amount, kind=kind, other=other, actor=actor))
    return True


def _book(change: CapitalChange) -> None:
    change.save(force_insert=True)
    about = "" if change.other is None else f", {change.other.name}"
    post(
        profile=change.profile,
        kind="deposit",
        key=f"deposit:{change.profile_id}:{change.pk}:{change.amount}",
        entries=[(Account.CASH, change.amount), (Account.CAPITAL, -change.amount)],
        memo=f"by {change.actor}"
        if change.kind == CapitalChange.Kind.CAPITAL
        else f"{change.get_kind_display()}{about}",
        capital_change=change,
    )


def holding(profile: Profile, amount: int) -> Statement:
    """One conditional UPDATE that moves ``amount`` of the totals from cash to reserved, and returns a row, if there is as much. The row
    stays locked until the transaction ends: whoever holds it admits alone for the profile. ``book_reserve`` must follow, or a rollback."""
    changes = f'UPDATE "{ProfileBalance._meta.db_table}" SET cash = cash - %s, reserved = reserved + %s'
    return Statement(
        f"{changes} WHERE profile_id = %s AND cash >= %s RETURNING id", (amount, amount, profile.pk, amount)
    )


def book_reserve(position: Position, amount: int) -> None:
    """Book what was held for ``position``, which the same transaction has just made with ``amount`` as reserved."""
    posting = reserving(position, amount, f"reserve:{position.pk}")
    booked = posting.row(position.profile_id, position.mode)
    direct.insert([booked])
    direct.insert([instances.new(LedgerEntry, transaction=booked, account=a, amount=m) for a, m in posting.lines])


def reserve_up_to(position: Position, amount: int) -> None:
    """Make sure that at least ``amount`` is set aside for ``position``. Denied(CAPITAL) when the profile's cash does not suffice,
    Denied(SHARD_CASH) when the exchange's does not, Overtaken when the position is not where ``position`` says any more: nobody would
    give it back."""
    with transaction.atomic():
        now = Position.objects.select_for_update().get(pk=position.pk)
        if now.status != position.status:
            raise Overtaken(f"position {position.pk} is no longer {position.status}")
        missing = amount - now.reserved
        if missing <= 0:
            return
        if not ProfileBalance.objects.filter(profile=position.profile, cash__gte=missing).update(cash=F("cash")):
            raise Denied(DenialCode.CAPITAL, f"{dollars(missing)} are not free")
        if position.mode == Mode.LIVE:
            shard = position.event.exchange_index
            shard_cash.lock(position.profile.subaccount or 0, shard)
            refusal = shard_cash.why_not(position.profile, shard, missing)
            if refusal is not None:
                raise Denied(refusal.code, refusal.detail)
        number = LedgerTransaction.objects.filter(position=position, kind="reserve").count() + 1
        move_reserve(position, missing, f"reserve:{position.pk}:{number}")


def release(position: Position, event: int, keep: int = 0) -> int:
    """Return to cash what is still reserved for ``position``, but for ``keep``: where less is reserved, as much more as the cash allows
    is set aside. Must run inside ``transaction.atomic``, which has written the position's ``event`` (its id) that says why: one release
    each. Returns what was released."""
    amount = Position.objects.select_for_update().get(pk=position.pk).reserved - keep
    if amount < 0:
        amount = -min(-amount, max(0, balance_of(position.profile).cash))
    if amount:
        move_reserve(position, -amount, _release_key(position, event), is_new=True)
    return amount


def releasing(position: Position, event: int, amount: int) -> Posting:
    """What ``release`` books where it frees ``amount`` (negative: sets that much more aside) of a position that the caller has locked;
    the caller changes ``reserved`` in the same transaction."""
    return reserving(position, -amount, _release_key(position, event))


def reserving(position: Position, amount: int, key: str) -> Posting:
    """What sets ``amount`` more aside for ``position`` (negative: less). ``reserved`` of the position is the caller's to change."""
    return Posting("reserve" if amount > 0 else "release", key, _reserving(amount), position)


def _release_key(position: Position, event: int) -> str:
    return f"release:{position.pk}:event {event}"


def _reserving(amount: int) -> tuple[Entry, ...]:
    return (Account.CASH, -amount), (Account.RESERVED, amount)


def move_reserve(position: Position, amount: int, key: str, *, is_new: bool = False) -> None:
    """Set ``amount`` more aside for ``position`` (negative: less), whatever the cash is."""
    booked = post(
        profile=position.profile,
        kind="reserve" if amount > 0 else "release",
        key=key,
        entries=_reserving(amount),
        position=position,
        is_new=is_new,
    )
    if booked:
        Position.objects.filter(pk=position.pk).update(reserved=F("reserved") + amount)


def balances(profile: Profile) -> dict[str, int]:
    """Every account's balance as the sum of its entries, debit positive."""
    sums = LedgerEntry.objects.filter(transaction__profile=profile).values_list("account").annotate(Sum("amount"))
    return dict.fromkeys(Account.values, 0) | dict(sums.order_by())
