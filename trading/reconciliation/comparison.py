"""Positions and cash of one subaccount: ours against the exchange's.

Reads lag behind writes and other workers trade meanwhile, so they are compared only where nothing of ours changed during
the read; what differs is compared once more before it counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE, dollars
from markets.kalshi.schemas.boundary import Rejection
from markets.kalshi.schemas.portfolio import Balance
from markets.models import Market
from strategies.models import Mode, Profile
from trading.accounting import accounts
from trading.closing import finals, settlement
from trading.models import ACTIVE, Discrepancy, ExchangeAccount, Position, Reconciliation
from trading.reconciliation import traces
from trading.safety import discrepancies
from trading.venues import connection

PAUSES: Final = (0.0, 0.6, 1.2)
"""Seconds before each comparison of positions and cash."""
MILLISECOND: Final = timedelta(milliseconds=1)
"""Times of the exchange are cut off after it."""
FIRST_PAUSES: Final = (0.0, 0.6, 1.2, 2.4)
"""Seconds before each read of an account that is new here. Lists may lag behind cash and contracts; of what lags longer than this the
balance decides (``opening``)."""
log = logging.getLogger(__name__)


def compare(
    row: Reconciliation,
    subaccount: int,
    profiles: list[Profile],
    first: Callable[[ExchangeAccount], None],
    beside: Callable[[], object],
    again: Callable[[], Collection[tuple[int, str]]],
    waiting: Collection[tuple[int, str]] = (),
) -> None:
    """Compare one subaccount's positions and cash with what its ``profiles`` hold; differences become discrepancies. ``first``: done in
    the transaction that makes the account. ``beside``: lists others' trades and money, and returns what differs from listing to listing:
    what happens while the opening balance is read, or is not listed yet, would be in it, and booked later once more. So an account is
    first taken when two reads in a row agree, and else by a later comparison. ``again``: books once more what is listed of
    orders, fills and moved money, which may lag behind what they did to the cash, or happen in mid comparison. ``waiting``, and its result:
    (subaccount, market) in which somebody else's trade waits until ours are known."""
    if not ExchangeAccount.objects.filter(subaccount=subaccount).exists() and not _take(
        subaccount, profiles, first, beside
    ):
        return
    account: ExchangeAccount | None = None
    differing: dict[str, tuple[int, int]] = {}
    open_question: set[str] = set()
    difference: int | None = None
    at_least = 0
    still = is_read_again = False
    unreadable: list[Rejection] = []
    for pause in PAUSES:
        clock.sleep(pause)
        if differing or difference or at_least:
            waiting = again()
            row.repaired += traces.of_shown(subaccount, {ticker: said for ticker, (_, said) in differing.items()})
        unreadable.clear()
        mark, began = accounts.mark(profiles), clock.now()
        balance, theirs = _read(subaccount, unreadable)
        account = accounts.seen(subaccount, balance, theirs, profiles, began, first)
        still = accounts.mark(profiles) == mark
        if not still:
            continue
        gone = [ticker for ticker in accounts.holdings(profiles) if ticker not in theirs]
        if gone and not is_read_again:
            is_read_again = True
            settled = settlement.run(Mode.LIVE, row, vanished=gone)
            if traces.of_shown(subaccount, dict.fromkeys(gone, 0)) or settled:
                still = False
                continue
        differing, open_question = _different(
            accounts.holdings(profiles), theirs, account, accounts.in_flight(profiles)
        )
        difference = accounts.difference(account, profiles)
        at_least = accounts.difference_beside_resting(account, profiles) if difference is None else 0
        undecided = {ticker for number, ticker in waiting if number == subaccount}
        is_waiting = bool(undecided)
        if unreadable:  # what is not listed may be what cannot be read
            undecided |= differing.keys() - theirs.keys()
        open_question |= {ticker for ticker in undecided if differing.pop(ticker, None)}
        holdings = accounts.holdings(profiles)
        shown = difference or at_least
        if is_waiting or (shown and _is_settlement_in_flight(shown, holdings, _returned_early(profiles))):
            difference, at_least = None, 0
        row.positions = len(theirs)
        if not differing and not difference and not at_least:
            break
    discrepancies.name_unreadable(row, "position", unreadable)
    if account is None or not still or ((differing or difference or at_least) and _is_new_listed(row, again)):
        return  # something changed during the last read: it proves nothing, in either direction
    for ticker, (ours, said) in differing.items():
        profile = accounts.holder(ticker, profiles)
        discrepancies.found(
            row,
            Discrepancy.Code.POSITION,
            f"{subaccount}:{ticker}",
            ours=str(ours),
            theirs=str(said),
            amount=said - ours,
            profile=profile,
        )
    discrepancies.resolved(Discrepancy.Code.POSITION, f"{subaccount}:", except_for={*differing, *open_question})
    accounts.compared(account, difference)
    if at_least and not _is_named(subaccount):
        text = f"at least {dollars(at_least)} more than ours, beside orders that rest"
        if unknown := accounts.of_unknown_fee(subaccount, profiles):
            text += f", of which the fee is not known in {', '.join(unknown)}"
        discrepancies.found(row, Discrepancy.Code.CASH, str(subaccount), theirs=text, amount=at_least)
    if difference is not None:
        row.balance_difference = (row.balance_difference or 0) + difference
        by_shard = accounts.differences_by_shard(account, profiles)
        if difference:
            where = ", ".join(f"{dollars(amount)} on shard {shard}" for shard, amount in by_shard.items())
            text = f"{dollars(difference)} more than ours" + (f": {where}" if where else "")
            discrepancies.found(row, Discrepancy.Code.CASH, str(subaccount), theirs=text, amount=difference)
        else:
            discrepancies.agreed(Discrepancy.Code.CASH, str(subaccount))
            if by_shard and not sum(by_shard.values()):
                log.warning("cash was moved between shards of subaccount %s: %s", subaccount, by_shard)
                accounts.cash_was_moved(account, by_shard)


def _is_new_listed(row: Reconciliation, again: Callable[[], object]) -> bool:
    """Whether orders, trades or moved money are listed by now that were not booked when the account was read last; they are booked."""
    before = row.repaired
    again()
    return row.repaired != before


def _take(
    subaccount: int,
    profiles: list[Profile],
    first: Callable[[ExchangeAccount], None],
    beside: Callable[[], object],
) -> bool:
    """Write down a new account once reads in a row agree in cash, contracts, and what is listed of others' trades and money, and the last
    shows by the exchange's word what had happened when the first of them began, or nothing has changed for as long as is waited. False
    where the last two differ."""
    client, before, since = connection.client(), object(), clock.now()
    for pause in FIRST_PAUSES:
        clock.sleep(pause)
        began, as_of = clock.now(), client.exchange.user_data_time() - connection.ahead(client)
        balance, theirs = _read(subaccount, [])
        now = (balance.available, balance.shards, theirs, beside())
        if now != before:
            before, since = now, began
        elif as_of >= since - MILLISECOND or pause == FIRST_PAUSES[-1]:
            accounts.seen(subaccount, balance, theirs, profiles, began, first)
            return True
    log.warning("subaccount %s is not taken yet: no two reads in a row agree", subaccount)
    return False


def _read(subaccount: int, unreadable: list[Rejection]) -> tuple[Balance, dict[str, int]]:
    """Cash, and the contracts of each market that has any."""
    portfolio = connection.client().portfolio
    balance = portfolio.balance(subaccount=subaccount or None)
    listed = portfolio.positions(subaccount or None, unreadable=unreadable)
    return balance, {one.ticker: one.position for one in listed if one.position}


def _is_named(subaccount: int) -> bool:
    """Whether a difference of cash is open: by how much is known once nothing rests any more."""
    return Discrepancy.objects.filter(code=Discrepancy.Code.CASH, key=str(subaccount), resolved_at=None).exists()


def _is_settlement_in_flight(difference: int, holdings: Mapping[str, int], returned_early: int) -> bool:
    """Whether markets that ended while we still hold contracts here can explain that the exchange has more cash than our books.

    It credits a settlement before we book it; more than these contracts pay, or less cash than ours, it does not explain.
    """
    ended = finals.known_finals(holdings)
    paid = sum(
        settlement.payout("yes" if holdings[ticker] > 0 else "no", abs(holdings[ticker]), final)
        for ticker, final in ended.items()
    )
    return 0 < difference <= paid + returned_early


def _returned_early(profiles: Iterable[Profile]) -> int:
    """What may have been returned for exclusive events in which a market has won, one of our legs or one beside them: every other leg pays
    by then, which our books count when the winner's leg, or the legs themselves, settle."""
    held = Position.objects.filter(profile__in=list(profiles), status__in=ACTIVE)
    more = 0
    for position in held.exclude(collateral=None):
        legs = {leg.market_id: leg.held for leg in position.legs.all()}
        markets = Market.objects.filter(event=position.event_id)
        ended = finals.known_finals(list(markets.values_list("ticker", flat=True)))
        winners = [ticker for ticker, final in ended.items() if final.result == "yes"]
        if winners:
            more += (
                sum(count for ticker, count in legs.items() if ticker not in winners) * DOLLAR_PRICE - position.returned
            )
    return more


def _different(
    ours: Mapping[str, int],
    theirs: Mapping[str, int],
    account: ExchangeAccount,
    in_flight: Mapping[str, tuple[int, int]],
) -> tuple[dict[str, tuple[int, int]], set[str]]:
    """(ticker -> (ours, theirs) where they differ, tickers that cannot be decided yet), over the union of tickers.

    What was on the account before us is not ours. A ticker whose settlement is under way is neither; one whose difference
    an order in flight can explain (its listing lags behind the positions') is an open question until that order has ended.
    """
    tickers = set(ours) | set(theirs) | set(account.foreign)
    gone = [t for t in tickers if (ours.get(t, 0) or account.foreign.get(t, 0)) and t not in theirs]
    ended = finals.known_finals(gone, vanished=gone)
    different: dict[str, tuple[int, int]] = {}
    open_question: set[str] = set()
    for ticker in sorted(tickers):
        more = theirs.get(ticker, 0) - ours.get(ticker, 0) - account.foreign.get(ticker, 0)
        if not more or (ticker in ended and ticker not in theirs):
            continue
        least, most = in_flight.get(ticker, (0, 0))
        if least <= more <= most:
            open_question.add(ticker)
        else:
            different[ticker] = (ours.get(ticker, 0), theirs.get(ticker, 0))
    return different, open_question
