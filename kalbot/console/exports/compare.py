"""The exchange's own CSV of an account against our rows: each line matched, each difference named. Pure but for what it is given.

The columns are those of the account's transaction export (one file a tax year). Lines agree when market, side, count, prices, fees and
profit agree; what is left is compared by market and side, since the exchange may cut the same trades into other lines.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kalbot.common.units import UnitError, format_decimal, parse_decimal
from kalbot.common.wording import many
from kalbot.console.exports.history import Scope
from kalbot.console.exports.kept import Line
from kalbot.console.exports.rows import POSITION

COUNT: Final = "quantity_fp"
MONEY: Final = (
    "open_fees_dollars",
    "close_fees_dollars",
    "realized_pnl_without_fees_dollars",
    "realized_pnl_with_fees_dollars",
)
PRICES: Final = ("entry_price_dollars", "exit_price_dollars")
NEEDED: Final = ("market_ticker", "side", COUNT, *PRICES, *MONEY)
CLOSED: Final = "close_timestamp"
AS_DOWNLOADED: Final = (
    "Upload it as it was downloaded: a spreadsheet that saves it may change columns, numbers and times."
)
FINER: Final = 10**8
"""The finest that an average price is written with, in parts of 1/10,000 dollar."""
LARGEST: Final = 20 * 2**20
AGREES: Final = "agrees"
OTHER_YEAR: Final = "closed outside of the year"


class NotTheForm(ValueError):
    """The file is not the exchange's transaction export; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What has to agree of a line: counts 1/100 contract, prices 1/10,000 dollar, money micro-dollars."""

    market: str
    side: str
    count: int
    entry: int
    exit: int
    fees: int
    profit: int


@dataclass(slots=True)
class Entry:
    """A line of the file (``number``: where it stands) or of ours (0). ``positions``: ours that it is, or may be, of."""

    trade: Trade
    number: int = 0
    closed_at: datetime | None = None
    positions: tuple[str, ...] = ()
    words: str = ""


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
            cut = (
                "cut into other lines" if self.ours != self.theirs else "prices or the split of fees and profit differ"
            )
            return f"the same in sum, {cut}"
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
    """What came of it. ``lines``: each line of the file with what it is here; ``missing``: ours that the file does not have."""

    lines: list[Entry] = field(default_factory=list)
    missing: list[Entry] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    skipped: int = 0
    profit_ours: int = 0
    profit_theirs: int = 0

    @property
    def matched(self) -> int:
        """Lines that agree."""
        return sum(line.words == AGREES for line in self.lines)

    @property
    def unmatched(self) -> list[Entry]:
        """Lines of the file that agree with none of ours, in its order."""
        return [line for line in self.lines if line.words != AGREES]

    @property
    def sentence(self) -> str:
        """In words, for the audit log and the command line."""
        agree = many(self.matched, "line agrees", "lines agree")
        differ = many(len(self.differences), "market differs", "markets differ")
        ours, theirs = (format_decimal(profit, 6, 2) for profit in (self.profit_ours, self.profit_theirs))
        return f"{agree}, {differ}; profit by our rows {ours}, by the file {theirs}"


def read(content: bytes) -> tuple[list[Entry], int]:
    """Lines of a file, and how many it holds that are no closed trade (they carry no profit). Raises NotTheForm."""
    if len(content) > LARGEST:
        raise NotTheForm("The file is larger than 20 MB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotTheForm(f"The file is not text in UTF-8. {AS_DOWNLOADED}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return _entries(reader)
    except csv.Error as error:
        raise NotTheForm(f"The file is not CSV: {error}.") from None


def _entries(reader: csv.DictReader[str]) -> tuple[list[Entry], int]:
    names = list(reader.fieldnames or [])
    if missing := [name for name in NEEDED if name not in names]:
        raise NotTheForm(f"These columns are missing: {', '.join(missing)}. {AS_DOWNLOADED}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise NotTheForm(f"These columns stand there twice: {', '.join(twice)}.")
    entries, skipped = [], 0
    for row in reader:
        if lacking := [name for name in NEEDED if row[name] is None]:
            raise NotTheForm(f"Line {reader.line_num} ends before its column {lacking[0]}.")
        if not row["realized_pnl_without_fees_dollars"].strip():
            skipped += 1
            continue
        try:
            entries.append(Entry(_trade(row), reader.line_num, _moment(row)))
        except UnitError as error:
            raise NotTheForm(f"Line {reader.line_num}: {error}. {AS_DOWNLOADED}") from None
    return entries, skipped


def _trade(row: Line) -> Trade:
    money = {name: parse_decimal(row[name].strip() or "0", 6) for name in MONEY}
    return Trade(
        market=row["market_ticker"].strip(),
        side=row["side"].strip().lower(),
        count=parse_decimal(row[COUNT].strip(), 2),
        entry=_price(row["entry_price_dollars"]),
        exit=_price(row["exit_price_dollars"]),
        fees=money["open_fees_dollars"] + money["close_fees_dollars"],
        profit=money["realized_pnl_with_fees_dollars"],
    )


def _price(text: str) -> int:
    """1/10,000 dollar: an average of several fills may be finer, and is rounded as ours are."""
    return (2 * parse_decimal(text.strip(), 12) + FINER) // (2 * FINER)


def _moment(row: Line) -> datetime | None:
    """When the line says that it was closed; None where it says nothing that is a moment with its zone."""
    try:
        at = datetime.fromisoformat((row.get(CLOSED) or "").strip())
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def compare(ours: Iterable[Line], theirs: Sequence[Entry], scope: Scope | None = None) -> Comparison:
    """Match line by line, then by market and side. Lines that were closed outside of ``scope`` are named and not compared."""
    free: dict[Trade, list[str]] = defaultdict(list)
    for line in ours:
        free[_trade(line)].append(line.get(POSITION, ""))
    found = Comparison(profit_ours=sum(one.profit * len(held) for one, held in free.items()))
    for entry in theirs:
        found.lines.append(_matched(entry, free, scope))
    inside = [line for line in found.lines if line.words != OTHER_YEAR]
    found.profit_theirs = sum(line.trade.profit for line in inside)
    found.missing = [Entry(one, positions=(position,)) for one, held in free.items() for position in held]
    left = [line for line in inside if line.words != AGREES]
    for market, side in sorted({(one.trade.market, one.trade.side) for one in [*found.missing, *left]}):
        found.differences.append(_difference(market, side, found.missing, left))
    return found


def _matched(entry: Entry, free: dict[Trade, list[str]], scope: Scope | None) -> Entry:
    if scope is not None and entry.closed_at is not None and not scope.holds(entry.closed_at):
        return Entry(entry.trade, entry.number, entry.closed_at, words=OTHER_YEAR)
    if held := free.get(entry.trade):
        return Entry(entry.trade, entry.number, entry.closed_at, (held.pop(0),), AGREES)
    return Entry(entry.trade, entry.number, entry.closed_at, words="no such line here")


def _difference(market: str, side: str, ours: list[Entry], theirs: list[Entry]) -> Difference:
    def of(entries: list[Entry]) -> list[Trade]:
        return [one.trade for one in entries if (one.trade.market, one.trade.side) == (market, side)]

    left, right = of(ours), of(theirs)
    return Difference(
        market=market,
        side=side,
        ours=len(left),
        theirs=len(right),
        count=sum(one.count for one in left) - sum(one.count for one in right),
        fees=sum(one.fees for one in left) - sum(one.fees for one in right),
        profit=sum(one.profit for one in left) - sum(one.profit for one in right),
    )
