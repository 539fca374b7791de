"""The exchange's own CSV of an account against our rows: each line matched, each difference named. Pure but for what it is given.

The columns are those of the account's transaction export (one file a tax year). Lines agree when market, side, count, prices and profit
agree; what is left is compared by market and side, since the exchange may cut the same trades into other lines.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from kalbot.common.units import UnitError, format_decimal, parse_decimal
from kalbot.console.exports.rows import Line

COUNT: Final = "quantity_fp"
MONEY: Final = (
    "open_fees_dollars",
    "close_fees_dollars",
    "realized_pnl_without_fees_dollars",
    "realized_pnl_with_fees_dollars",
)
PRICES: Final = ("entry_price_dollars", "exit_price_dollars")
NEEDED: Final = ("market_ticker", "side", COUNT, *PRICES, *MONEY)
LARGEST: Final = 20 * 2**20


class NotTheForm(ValueError):
    """The file is not the exchange's transaction export; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One line: counts 1/100 contract, prices 1/10,000 dollar, money micro-dollars."""

    market: str
    side: str
    count: int
    entry: int
    exit: int
    fees: int
    profit: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A market and side in which the two disagree after equal lines were taken out. Ours less theirs."""

    market: str
    side: str
    ours: int
    theirs: int
    count: int
    fees: int
    profit: int

    @property
    def sentence(self) -> str:
        """In words."""
        if not self.theirs:
            return "only in our rows"
        if not self.ours:
            return "only in the exchange's file"
        if not (self.count or self.fees or self.profit):
            return "the same in sum, cut into other lines"
        parts = [
            f"{words} differ by {format_decimal(value, places, 2)}"
            for words, value, places in (
                ("contracts", self.count, 2),
                ("fees", self.fees, 6),
                ("profit", self.profit, 6),
            )
            if value
        ]
        return ", ".join(parts)


@dataclass(slots=True)
class Comparison:
    """What came of it."""

    matched: int = 0
    skipped: int = 0
    differences: list[Difference] = field(default_factory=list)
    profit_ours: int = 0
    profit_theirs: int = 0


def read(content: bytes) -> tuple[list[Trade], int]:
    """Trades of a file, and how many lines it holds that are no closed trade (they carry no profit). Raises NotTheForm."""
    if len(content) > LARGEST:
        raise NotTheForm("The file is larger than 20 MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotTheForm("The file is not text in UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
    if missing:
        raise NotTheForm(f"These columns are missing: {', '.join(missing)}.")
    trades, skipped = [], 0
    for number, row in enumerate(reader, start=2):
        if not (row["realized_pnl_without_fees_dollars"] or "").strip():
            skipped += 1
            continue
        try:
            trades.append(_trade(row))
        except (UnitError, AttributeError) as error:
            raise NotTheForm(f"Line {number}: {error}") from None
    return trades, skipped


def _trade(row: Line) -> Trade:
    money = {name: parse_decimal(row[name].strip() or "0", 6) for name in MONEY}
    return Trade(
        market=row["market_ticker"].strip(),
        side=row["side"].strip().lower(),
        count=parse_decimal(row[COUNT].strip(), 2),
        entry=parse_decimal(row["entry_price_dollars"].strip(), 6) // 100,
        exit=parse_decimal(row["exit_price_dollars"].strip(), 6) // 100,
        fees=money["open_fees_dollars"] + money["close_fees_dollars"],
        profit=money["realized_pnl_with_fees_dollars"],
    )


def compare(ours: Iterable[Line], theirs: Iterable[Trade]) -> Comparison:
    """Match line by line, then by market and side."""
    mine, other = Counter(_trade(line) for line in ours), Counter(theirs)
    both = mine & other
    found = Comparison(matched=both.total())
    found.profit_ours = sum(one.profit * number for one, number in mine.items())
    found.profit_theirs = sum(one.profit * number for one, number in other.items())
    left, right = mine - both, other - both
    for market, side in sorted({(one.market, one.side) for one in [*left, *right]}):
        found.differences.append(_difference(market, side, left, right))
    return found


def _difference(market: str, side: str, left: Counter[Trade], right: Counter[Trade]) -> Difference:
    def total(trades: Counter[Trade], name: str) -> int:
        here = [(one, number) for one, number in trades.items() if (one.market, one.side) == (market, side)]
        return sum((getattr(one, name) if name else 1) * number for one, number in here)

    return Difference(
        market=market,
        side=side,
        ours=total(left, ""),
        theirs=total(right, ""),
        count=total(left, "count") - total(right, "count"),
        fees=total(left, "fees") - total(right, "fees"),
        profit=total(left, "profit") - total(right, "profit"),
    )
