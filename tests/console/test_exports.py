"""Exports: first in, first out with sums that are the ledger's, the exchange's own form both ways, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common import clock
from kalbot.console.exports import compare, history, rows, write
from kalbot.console.exports.history import ZONE, Scope
from kalbot.console.exports.kept import Kept
from kalbot.console.exports.lots import Closing, Lot, MoreClosedThanBought, Purchase, lots
from kalbot.console.models import Act, Preference
from kalbot.console.pages.results.exports import KINDS
from markets.models import Market
from tests.trading import world
from trading.accounting import balance_check, booking
from trading.accounting.fill_reports import FillReport
from trading.closing import settlement
from trading.execution import executor
from trading.models import Denial, Fill, LedgerEntry, Leg, Order, Position, Settlement

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def test_what_was_bought_first_is_closed_first() -> None:
    bought = [Purchase(at(0), 300, 120_000, 3), Purchase(at(1), 200, 100_000, 2)]
    closed = lots(bought, [Closing("s", at(2), 400, 240_000, 4, False)])
    assert [(one.count, one.opened_at, one.cost, one.proceeds) for one in closed] == [
        (300, at(0), 120_003, 179_997),
        (100, at(1), 50_001, 59_999),
    ]


def test_more_than_was_bought_is_refused() -> None:
    with pytest.raises(MoreClosedThanBought):
        lots([Purchase(at(0), 100, 1, 0)], [Closing("s", at(1), 101, 1, 0, False)])


received = st.tuples(st.integers(0, 10**8), st.integers(0, 10**5))
amounts = st.tuples(st.integers(1, 500), st.integers(0, 10**8), st.integers(0, 10**5))


@given(st.lists(amounts, min_size=1, max_size=6), st.data())
def test_over_a_closed_leg_nothing_is_lost_or_made(bought: list[tuple[int, int, int]], data: st.DataObject) -> None:
    purchases = [Purchase(at(number), *one) for number, one in enumerate(bought)]
    total = sum(one.count for one in purchases)
    cuts = sorted(data.draw(st.sets(st.integers(0, total), max_size=6)) | {0, total})
    closings = [
        Closing(f"s{end}", at(begin), end - begin, *data.draw(received), False) for begin, end in pairwise(cuts)
    ]
    closed = lots(purchases, closings)
    assert sum(one.cost for one in closed) == sum(one.paid + one.fee for one in purchases)
    assert sum(one.proceeds for one in closed) == sum(one.received - one.fee for one in closings)
    assert sum(one.count for one in closed) == sum(one.count for one in purchases)


@pytest.mark.parametrize(
    ("amount", "count", "price"),
    [(1, 30_000, "0.0000"), (450_000, 100, "0.4500"), (-450_000, 100, "-0.4500"), (50, 1, "0.0050"), (3, 2, "0.0002")],
)
def test_a_price_is_written_to_a_hundredth_of_a_cent(amount: int, count: int, price: str) -> None:
    assert rows.each(amount, count) == price


@pytest.fixture
def traded(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Any) -> Position:
    """A basket bought through the paper exchange, a part of one leg sold, the rest settled: by trading's own code."""
    settings.PAPER_LATENCY_MS = 0
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()
    profile, event = world.add_profile("exported"), world.add_event()
    world.publish(event.ticker, world.quoted(event, [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]))
    limits = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
    decision = world.decide(profile, event, limits, 1_000, kind="all_yes", side="yes", conditional=30_000_000)
    position = executor.execute(decision.pk)
    assert position is not None
    leg = position.legs.get(market_id="KXT-1-0")
    order = Order.objects.create(
        profile=profile,
        mode="sim",
        position=position,
        leg=leg,
        action="sell",
        purpose="exit",
        side="yes",
        price=2_500,
        count=333,
        status="booking",
    )
    booking.book_fill(order.pk, FillReport("sale-1", 2_500, 333, 1_234, True, clock.now_ms()), "paper")
    Order.objects.filter(pk=order.pk).update(status="done")
    for ticker, result, value in (("KXT-1-0", "yes", 1_000_000), ("KXT-1-1", "no", 0), ("KXT-1-2", "no", 0)):
        Market.objects.filter(ticker=ticker).update(status="finalized", result=result, settlement_value_e6=value)
    settlement.run()
    position.refresh_from_db()
    assert not position.legs.exclude(open_cost=0).exists()
    return position


def scope(mode: str = "sim") -> Scope:
    return Scope.of_tax_year(None, mode, clock.now().astimezone(ZONE).year)


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def download(client: Any, kind: str, mode: str = "sim") -> list[dict[str, str]]:
    year = clock.now().astimezone(ZONE).year
    answer = client.get(reverse("admin:exports_download"), {"kind": kind, "mode": mode, "year": year})
    assert answer.status_code == 200
    return parsed(answer.getvalue())


def exact(text: str) -> int:
    from kalbot.common.units import parse_decimal

    return parse_decimal(text, 6)


def test_fills_and_settlements_add_up_to_what_the_legs_say(sample: dict[str, Any], login: Any) -> None:
    found = download(login("viewer"), "fills")
    assert found
    assert {row["mode"] for row in found} == {"sim"}
    bought = sum(exact(row["amount"]) + exact(row["fee"]) for row in found if row["action"] == "buy")
    legs = Leg.objects.filter(position__mode="sim")
    assert bought == legs.aggregate(total=Sum("bought_cost"))["total"]
    sold = sum(exact(row["proceeds"]) for row in found if row["action"] == "sell")
    assert sold == legs.aggregate(total=Sum("sold_proceeds"))["total"]
    assert all(row["event_title"] and row["time"][-6] in "+-" for row in found)


def test_closed_lots_realise_what_the_ledger_booked(traded: Position, login: Any) -> None:
    lines = [line for line in download(login("viewer"), "tax") if line["position"] == str(traded.pk)]
    assert {line["by"] for line in lines} == {"sale", "settlement"}
    for line in lines:
        assert exact(line["proceeds"]) - exact(line["cost_basis"]) == exact(line["realised"])
    assert sum(exact(line["realised"]) for line in lines) == traded.realised
    assert balance_check.summary(traded.profile)["realised"] == traded.realised


def test_each_line_that_closes_carries_its_basis_and_result(traded: Position, login: Any) -> None:
    lines = [line for line in download(login("viewer"), "fills") if line["position"] == str(traded.pk)]
    assert [line["kind"] for line in lines].count("settlement") == 3
    closing = [line for line in lines if line["realised"]]
    assert sum(exact(line["realised"]) for line in closing) == traded.realised
    paid = sum(exact(line["cost_basis"]) for line in lines if line["action"] == "buy")
    assert sum(exact(line["cost_basis"]) for line in closing) == paid


def test_contracts_that_somebody_else_sold_are_in_every_sheet(traded: Position, login: Any) -> None:
    held = next(leg for leg in Leg.objects.filter(position__mode="sim").order_by("pk") if leg.held > 100)
    booking.correct(
        held.pk,
        count=100,
        key="trade-9",
        proceeds=410_000,
        fees=7_000,
        evidence={},
        actor="rita",
        reason="sold by hand",
    )
    client, mine = login("viewer"), {"position": str(held.position_id), "market": held.market_id}
    (fill,) = [row for row in download(client, "fills") if row["kind"] == "correction"]
    (lot,) = [row for row in download(client, "tax") if mine.items() <= row.items()]
    for row in (fill, lot):
        assert mine.items() <= row.items()
        assert (exact(row["count"]), exact(row["proceeds"])) == (1_000_000, 410_000)
    assert (exact(fill["amount"]), exact(fill["fee"])) == (417_000, 7_000)
    (line,) = [one for one in rows.exchange_lines(scope()) if one["position"] == str(held.position_id)]
    assert exact(line["close_fees_dollars"]) == 7_000


def test_the_tax_years_totals_are_the_sums_of_its_lots_and_the_ledgers_profit(traded: Position, login: Any) -> None:
    client, name = login("viewer"), traded.profile.name
    (total,) = [row for row in download(client, "totals") if row["profile"] == name]
    each_lot = [row for row in download(client, "tax") if row["profile"] == name]
    assert total["term"] == "short"
    assert int(total["lots"]) == len(each_lot)
    for column in ("count", "cost_basis", "proceeds", "realised"):
        assert exact(total[column]) == sum(exact(row[column]) for row in each_lot)
    assert exact(total["realised"]) == balance_check.summary(traded.profile)["realised"]


@pytest.mark.parametrize(
    ("opened", "closed", "term"),
    [
        ("2025-06-01T12:00", "2026-06-01T13:00", "short"),
        ("2025-06-01T12:00", "2026-06-02T05:00", "long"),
        ("2025-06-01T12:00", "2026-06-02T03:00", "short"),
        ("2024-02-29T12:00", "2025-02-28T12:00", "short"),
        ("2024-02-29T12:00", "2025-03-01T12:00", "long"),
        ("2023-06-01T12:00", "2024-06-01T12:00", "short"),
    ],
)
def test_long_is_more_than_a_year_by_the_days_of_new_york(opened: str, closed: str, term: str) -> None:
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (opened, closed))
    assert rows.term(Lot("s", 100, begin, end, 1, 0, 1, 0, False), ZONE) == term


def test_a_settlement_is_of_the_year_in_which_the_exchange_settled(traded: Position) -> None:
    last = scope().start - timedelta(minutes=5)
    Market.objects.filter(ticker="KXT-1-0").update(settled_at=last)
    before = Scope.of_tax_year(None, "sim", scope().start.astimezone(ZONE).year - 1)
    assert {line["market"] for line in rows.fills_and_settlements(before)} == {"KXT-1-0"}
    assert "KXT-1-0" not in {line["market"] for line in rows.tax_lots(scope()) if line["by"] == "settlement"}


def test_rows_that_close_more_than_they_bought_make_no_file_but_a_sentence(traded: Position, login: Any) -> None:
    leg = traded.legs.get(market_id="KXT-1-0")
    Settlement.objects.create(
        leg=leg, mode="sim", version=9, result="yes", value_e6=1_000_000, count=1, payout=10_000, cost=0, fees=0
    )
    client, year = login("viewer"), scope().start.astimezone(ZONE).year
    for kind in ("fills", "tax", "totals", "exchange"):
        answer = client.get(reverse("admin:exports_download"), {"kind": kind, "mode": "sim", "year": year})
        assert answer.status_code == 409
        assert f"Position #{traded.pk}, KXT-1-0 yes" in answer.content.decode()


def test_what_was_bought_before_the_scope_is_followed_from_there(traded: Position) -> None:
    sale = Fill.objects.get(trade_id="sale-1")
    whole = [line for line in rows.tax_lots(scope()) if line["position"] == str(traded.pk)]
    later = replace(scope(), start=sale.exchange_at or sale.created_at)
    assert [line for line in rows.tax_lots(later) if line["position"] == str(traded.pk)] == whole
    lines = [line for line in rows.fills_and_settlements(later) if line["position"] == str(traded.pk)]
    assert sum(exact(line["realised"] or "0") for line in lines) == traded.realised


def test_what_is_closed_before_it_was_bought_has_its_basis_all_the_same(traded: Position) -> None:
    """A fill that was booked late, with a time of its own behind the sale's."""
    sale = Fill.objects.get(trade_id="sale-1")
    at = sale.exchange_at or sale.created_at
    values = {"mode": "sim", "count": 100, "fee": 0, "source": "rest"}
    early, late = at - timedelta(hours=1), at + timedelta(hours=1)
    buy = Order.objects.get(leg=sale.order.leg, action="buy")
    Fill.objects.create(order=sale.order, trade_id="early", price=2_500, exchange_at=early, **values)
    Fill.objects.create(order=buy, trade_id="late", price=3_000, exchange_at=late, **values)
    lines = [line for line in rows.fills_and_settlements(scope()) if line["market"] == "KXT-1-0"]
    assert (lines[0]["id"], lines[-1]["id"]) == ("early", "late")
    closing = [line for line in lines if line["action"] != "buy"]
    lots_ = [line for line in rows.tax_lots(scope()) if line["market"] == "KXT-1-0"]
    for name in ("cost_basis", "realised"):
        assert sum(exact(line[name]) for line in closing) == sum(exact(line[name]) for line in lots_)
    bought = sum(exact(line["cost_basis"]) for line in lines if line["action"] == "buy")
    assert sum(exact(line["cost_basis"]) for line in closing) == bought


def test_the_first_line_is_there_before_the_others_are_read(traded: Position, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[Any, ...]] = []
    plain = history._leg_of

    def noted(values: tuple[Any, ...]) -> dict[str, str]:
        read.append(values)
        return plain(values)

    monkeypatch.setattr(history, "_leg_of", noted)
    every = len(list(rows.fills_and_settlements(scope())))
    assert len(read) == every
    read.clear()
    next(rows.fills_and_settlements(scope()))
    assert len(read) <= len(history.KINDS) < every, "a row of each cursor"


def test_more_legs_cost_no_more_queries(traded: Position, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(7):
        assert len({line["position"] for line in rows.fills_and_settlements(scope())}) > 1


def test_the_ledger_is_exported_with_its_amounts(sample: dict[str, Any], login: Any) -> None:
    found = download(login("viewer"), "ledger")
    assert sum(exact(row["amount"]) for row in found) == 0
    assert len(found) == LedgerEntry.objects.filter(transaction__mode="sim").count()


def upload(client: Any, content: bytes) -> Any:
    year = clock.now().astimezone(ZONE).year
    file = SimpleUploadedFile("transactions.csv", content, "text/csv")
    return client.post(reverse("admin:exports"), {"year": year, "file": file})


def form_of(lines: Sequence[dict[str, str]]) -> bytes:
    return "".join(write.lines(lines, KINDS["exchange"].columns)).encode()


def test_our_own_form_read_back_agrees_line_by_line(traded: Position) -> None:
    lines = list(rows.exchange_lines(scope()))
    assert lines
    theirs, skipped = compare.read(form_of(lines))
    found = compare.compare(lines, theirs)
    assert (found.matched, found.differences, skipped) == (len(lines), [], 0)
    assert found.profit_ours == found.profit_theirs


def test_each_kind_of_difference_is_named(traded: Position) -> None:
    lines = list(rows.exchange_lines(scope()))
    changed = dict(lines[0], realized_pnl_with_fees_dollars="999.000000")
    foreign = dict(lines[0], market_ticker="KXOTHER-1", side="no")
    theirs, _ = compare.read(form_of([changed, *lines[2:], foreign]))
    sentences = {one.market: one.sentence for one in compare.compare(lines, theirs).differences}
    assert sentences["KXOTHER-1"] == "only in the exchange's file"
    assert "profit differ" in " ".join(sentences.values())


def test_the_same_trades_cut_into_other_lines_are_said_to_be_the_same_in_sum() -> None:
    def line(count: str, profit: str) -> dict[str, str]:
        return {
            "market_ticker": "M",
            "side": "yes",
            "quantity_fp": count,
            "entry_price_dollars": "0.4",
            "exit_price_dollars": "1",
            "open_fees_dollars": "0",
            "close_fees_dollars": "0",
            "realized_pnl_without_fees_dollars": profit,
            "realized_pnl_with_fees_dollars": profit,
        }

    theirs, _ = compare.read(
        "\n".join(
            [
                ",".join(compare.NEEDED),
                *(",".join(line(c, p)[n] for n in compare.NEEDED) for c, p in (("1", "0.6"), ("2", "1.2"))),
            ]
        ).encode()
    )
    (found,) = compare.compare([line("3", "1.8")], theirs).differences
    assert found.sentence == "the same in sum, cut into other lines"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.encode("utf-16"), "not text in UTF-8. Upload it as it was downloaded"),
        (lambda text: text.replace(",", ";").encode(), "columns are missing: market_ticker, side"),
        (lambda text: text.rstrip().rpartition(",0.6")[0].encode(), "Line 2 ends before its column realized_pnl_with"),
        (lambda text: text.replace(",0.4,", ",$0.4,").encode(), "Line 2: not a decimal string"),
        (lambda text: b"", "columns are missing"),
    ],
)
def test_a_file_that_a_spreadsheet_or_a_bad_line_changed_is_refused_in_words(
    change: Callable[[str], bytes], words: str
) -> None:
    text = f"{','.join(compare.NEEDED)}\nM,yes,1,0.4,1,0,0,0.6,0.6\n"
    assert len(compare.read(text.encode())[0]) == 1
    with pytest.raises(compare.NotTheForm) as refused:
        compare.read(change(text))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("written", "price"),
    [("0.41333333", 4_133), ("0.12345", 1_235), ("0.123449999999", 1_234), ("0.005", 50), ("1", 10_000)],
)
def test_an_average_price_is_rounded_as_ours_is(written: str, price: int) -> None:
    ((line,), _) = compare.read(f"{','.join(compare.NEEDED)},note\nM,yes,1,{written},1,0,0,0.6,0.6,x\n".encode())
    assert (line.trade.entry, line.trade.exit) == (price, 10_000)


def test_each_line_of_the_file_says_which_row_it_is(sample: dict[str, Any], login: Any) -> None:
    lines = list(rows.exchange_lines(scope("live")))
    own = lines[-1]["position"]
    foreign = dict(lines[0], market_ticker="KXOTHER-1")
    early = dict(lines[1], close_timestamp="2021-05-01T00:00:00+00:00")
    page = upload(login("viewer"), form_of([*lines[1:], foreign, early])).content.decode()
    assert f"{len(lines) - 1} lines agree, 2 markets differ" in page
    for words in ("no such line here", "not in the file", "closed outside of the year", f"position #{own}"):
        assert words in page
    act = Act.objects.get(name="compare_transactions")
    assert (act.actor, act.result.split(";")[0]) == ("viewer", f"{len(lines) - 1} lines agree, 2 markets differ")


def test_the_command_says_the_same_and_ends_with_1_when_they_differ(
    sample: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = list(rows.exchange_lines(scope("live")))
    file, year = tmp_path / "form.csv", str(scope().start.astimezone(ZONE).year)
    file.write_bytes(form_of(lines))
    call_command("compare_transactions", str(file), "--year", year, "--lines")
    written = capsys.readouterr().out
    assert f"{len(lines)} lines agree, 0 markets differ" in written
    assert written.count("agrees, position #") == len(lines) > 1
    file.write_bytes(form_of(lines[1:]))
    with pytest.raises(CommandError, match="differ"):
        call_command("compare_transactions", str(file), "--year", year)
    assert "only in our rows" in capsys.readouterr().out
    assert Act.objects.filter(name="compare_transactions").count() == 2


@pytest.mark.slow
def test_a_spreadsheet_opens_each_file_and_finds_the_same(traded: Position, tmp_path: Path) -> None:
    """LibreOffice reads the files and writes what it saw: every cell is what was written, and no title was run as a formula."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    assert office, "LibreOffice is not installed: Debian's libreoffice-calc-nogui has all that this needs"
    type(traded.event).objects.update(title="=1+1")
    written, seen = {}, tmp_path / "seen"
    for name, kind in KINDS.items():
        text = "".join(write.lines(kind.lines(scope()), kind.columns))
        written[name] = list(csv.reader(io.StringIO(text, newline="")))
        (tmp_path / f"{name}.csv").write_text(text, "utf-8", newline="")
    own = f"-env:UserInstallation=file://{tmp_path}/office"
    command = [office, own, "--headless", f"--infilter={READING}", "--convert-to", SHEET, "--outdir", str(seen)]
    subprocess.run([*command, *(str(tmp_path / f"{name}.csv") for name in KINDS)], check=True, capture_output=True)
    for name, lines in written.items():
        found = list(csv.reader((seen / f"{name}.csv").open(encoding="utf-8", newline="")))
        assert len(found) == len(lines) > 1
        assert [[plain(cell) for cell in row] for row in found] == [[plain(cell) for cell in row] for row in lines]


READING = "CSV:44,34,76,1"
SHEET = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false"
"""Comma, double quotes, UTF-8, from the first line, no quoted texts, and cells as they are kept, not as they are shown."""


def plain(cell: str) -> str:
    """A number without its useless zeros; every other cell as it is."""
    return f"{Decimal(cell):f}".rstrip("0").rstrip(".") if write.NUMBER.match(cell) and "." in cell else cell


@pytest.mark.slow
def test_a_strangers_reader_finds_the_totals_of_our_ledger(traded: Position, tmp_path: Path) -> None:
    """kalshi-csv, a public package that reads the exchange's own form."""
    from kalshi_csv.parser import KalshiCSV

    file = tmp_path / "form.csv"
    mine = Scope.of_tax_year(traded.profile, "sim", scope().start.astimezone(ZONE).year)
    file.write_bytes(form_of(list(rows.exchange_lines(mine))))
    reader = KalshiCSV(str(file))
    reader.parse()
    assert round(reader.summary["total_pnl_with_fees"] * 1_000_000) == balance_check.summary(traded.profile)["realised"]
    legs = traded.legs.all()
    assert reader.summary["total_tax_basis"] == pytest.approx(sum(leg.bought_cost for leg in legs) / 1e6, abs=0.01)
    made = sum(leg.sold_proceeds + leg.payout for leg in legs)
    assert reader.summary["total_tax_proceeds"] == pytest.approx(made / 1e6, abs=0.01)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n", "columns are missing"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (",".join(compare.NEEDED).encode() + b"\nM,yes,one,0.4,1,0,0,0.6,0.6\n", "Line 2"),
        (b"", "columns are missing"),
        (",".join(compare.NEEDED).encode() + b"\nM,yes,1,0.4,1,0,0,0.6,0.6\x00\n", "Line 2"),
        (",".join(compare.NEEDED).encode() + b'\n"' + b"x" * 140_000 + b'",yes,1,0.4,1,0,0,0.6,0.6\n', "not CSV"),
        (",".join((*compare.NEEDED, "side")).encode() + b"\nM,yes,1,0.4,1,0,0,0.6,0.6,no\n", "twice: side"),
        (",".join(compare.NEEDED).encode() + b"\nM,yes,1,0.4,1,0,0,0.6\n", "Line 2"),
        (",".join(compare.NEEDED).encode() + b"\nM,yes,1,0.4,1,0,0,0.6," + b"9" * 5_000 + b"\n", "Line 2"),
    ],
)
def test_a_file_that_is_not_the_form_is_refused_with_a_sentence(
    sample: dict[str, Any], login: Any, content: bytes, words: str
) -> None:
    page = upload(login("viewer"), content or b" ").content.decode()
    assert words in page
    assert "lines agree" not in page


def test_an_uploaded_file_is_laid_beside_our_live_rows(sample: dict[str, Any], login: Any) -> None:
    page = upload(login("viewer"), form_of(list(rows.exchange_lines(scope("live"))))).content.decode()
    assert "0 markets differ" in page


def test_lines_without_a_profit_are_counted_and_left_out() -> None:
    content = ",".join(compare.NEEDED) + "\nM,yes,1,0.4,1,0,0,,\n"
    assert compare.read(content.encode()) == ([], 1)


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-2+3", "@sum", "\tx", " =1", "\n@x", "\u200b=1", "\ufeff+1", "\0=1", "＝1"]
)
def test_no_text_is_a_formula(text: str) -> None:
    assert write.safe(text).startswith("'")
    assert write.safe(f"a;{text}") == f"a;{write.safe(text)}" or text == "\tx"


@pytest.mark.parametrize(("form", "is_table"), [("0", True), ("1", True), ("2", False)])
def test_lists_are_exported_without_formulas_in_every_form(
    form: str, is_table: bool, sample: dict[str, Any], login: Any
) -> None:
    """What people and the exchange write, in each table; JSON keeps it as it is."""
    hostile = "@SUM(1+9)*cmd|' /C calc'!A0"
    Denial.objects.update(detail=hostile)
    fields = {f"denialresource_{name}": "on" for name in ("id", "code", "detail")}
    answer = login("viewer").post(reverse("admin:trading_denial_export"), {"format": form, "resource": "0", **fields})
    text = answer.getvalue().decode()
    assert hostile in text
    assert (f"'{hostile}" in text) is is_table


def test_a_list_is_sent_in_pieces_with_times_in_the_persons_zone(
    sample: dict[str, Any], login: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login("viewer")
    Preference.objects.create(user_id=client.session["_auth_user_id"], time_zone="America/New_York")
    monkeypatch.setattr(write, "PIECE", 200)
    names = ("id", "created_at", "is_taker", "price", "order")
    fields = {"format": "0", "resource": "0"} | {f"fillresource_{name}": "on" for name in names}
    answer = client.post(reverse("admin:trading_fill_export"), fields)
    assert answer.streaming
    pieces = list(answer.streaming_content)
    found = {int(row["id"]): row for row in parsed(b"".join(pieces))}
    assert len(pieces) > 1
    assert len(found) == Fill.objects.count()
    fill = Fill.objects.order_by("pk")[0]
    assert found[fill.pk] == {
        "id": str(fill.pk),
        "created_at": fill.created_at.astimezone(ZONE).isoformat(),
        "is_taker": "1" if fill.is_taker else "0",
        "price": f"0.{fill.price:04d}",
        "order": str(fill.order_id),
    }


def test_json_of_a_list_is_one_array_whatever_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PIECE", 20)
    for number in (0, 1, 5):
        pieces = list(write.objects(([str(row), '"a"'] for row in range(number)), ("id", "text")))
        assert json.loads("".join(pieces)) == [{"id": str(row), "text": '"a"'} for row in range(number)]
    assert len(pieces) > 2


def test_lines_that_are_compared_are_not_held_in_memory() -> None:
    def made() -> Iterator[dict[str, str]]:
        for number in range(5_000):
            yield {f"column {name}": f"{number} of {name}" for name in range(12)}

    expected = [line["column 0"] for line in made()]
    tracemalloc.start()
    found = Kept(made())
    assert [line["column 0"] for line in found] == expected
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000, "as dicts these are seven megabytes"
    assert [line["column 0"] for line in found[1:3]] == expected[1:3]


@pytest.mark.parametrize("text", ["-1.50", "0", "12.345678", "2026-01-01", "KXHIGH-1"])
def test_numbers_and_plain_texts_stay_as_they_are(text: str) -> None:
    assert write.safe(text) == text


def test_a_wrong_scope_is_a_form_error(sample: dict[str, Any], login: Any) -> None:
    client = login("viewer")
    wrong: list[dict[str, str]] = [{"kind": "odd"}, {"kind": "fills", "mode": "both"}, {"kind": "fills", "year": "x"}]
    for values in wrong:
        assert client.get(reverse("admin:exports_download"), values).status_code == 400


def test_without_a_role_nothing_is_exported(sample: dict[str, Any], login: Any) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("admin:exports")).status_code == 403
    assert (
        client.get(reverse("admin:exports_download"), {"kind": "fills", "mode": "sim", "year": "2026"}).status_code
        == 403
    )
