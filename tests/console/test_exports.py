"""Exports: first in, first out with sums that are the ledger's, the exchange's own form both ways, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Sum
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common import clock
from kalbot.console.exports import compare, rows, write
from kalbot.console.exports.lots import Closing, MoreClosedThanBought, Purchase, lots
from kalbot.console.pages.exports import KINDS
from markets.models import Market
from strategies.models import Profile
from tests.trading import world
from trading.accounting import booking, ledger
from trading.closing import settlement
from trading.execution import executor
from trading.models import LedgerEntry, Leg, Order, Position

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


amounts = st.tuples(st.integers(1, 500), st.integers(0, 10**8), st.integers(0, 10**5))


@given(st.lists(amounts, min_size=1, max_size=6), st.data())
def test_over_a_closed_leg_nothing_is_lost_or_made(bought: list[tuple[int, int, int]], data: st.DataObject) -> None:
    purchases = [Purchase(at(number), *one) for number, one in enumerate(bought)]
    left, closings = sum(one.count for one in purchases), []
    while left:
        count = data.draw(st.integers(1, left))
        received, fee = data.draw(st.integers(0, 10**8)), data.draw(st.integers(0, 10**5))
        closings.append(Closing(f"s{left}", at(1_000 - left), count, received, fee, False))
        left -= count
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
    booking.book_fill(order.pk, booking.FillReport("sale-1", 2_500, 333, 1_234, True, clock.now_ms()), "paper")
    Order.objects.filter(pk=order.pk).update(status="done")
    for ticker, result, value in (("KXT-1-0", "yes", 1_000_000), ("KXT-1-1", "no", 0), ("KXT-1-2", "no", 0)):
        Market.objects.filter(ticker=ticker).update(status="finalized", result=result, settlement_value_e6=value)
    settlement.run()
    position.refresh_from_db()
    assert not position.legs.exclude(open_cost=0).exists()
    return position


def scope(mode: str = "sim") -> rows.Scope:
    zone = ZoneInfo("America/New_York")
    return rows.Scope.of_year(
        tuple(Profile.objects.values_list("pk", flat=True)), mode, clock.now().astimezone(zone).year, zone
    )


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def download(client: Any, kind: str, mode: str = "sim") -> list[dict[str, str]]:
    year = clock.now().astimezone(ZoneInfo("America/New_York")).year
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
    assert ledger.summary(traded.profile)["realised"] == traded.realised


def test_each_line_that_closes_carries_its_basis_and_result(traded: Position, login: Any) -> None:
    lines = [line for line in download(login("viewer"), "fills") if line["position"] == str(traded.pk)]
    assert [line["kind"] for line in lines].count("settlement") == 3
    closing = [line for line in lines if line["realised"]]
    assert sum(exact(line["realised"]) for line in closing) == traded.realised
    paid = sum(exact(line["cost_basis"]) for line in lines if line["action"] == "buy")
    assert sum(exact(line["cost_basis"]) for line in closing) == paid


def test_the_ledger_is_exported_with_its_amounts(sample: dict[str, Any], login: Any) -> None:
    found = download(login("viewer"), "ledger")
    assert sum(exact(row["amount"]) for row in found) == 0
    assert len(found) == LedgerEntry.objects.filter(transaction__mode="sim").count()


def upload(client: Any, content: bytes) -> Any:
    year = clock.now().astimezone(ZoneInfo("America/New_York")).year
    file = SimpleUploadedFile("transactions.csv", content, "text/csv")
    return client.post(reverse("admin:exports"), {"year": year, "file": file})


def form_of(lines: list[dict[str, str]]) -> bytes:
    return "".join(write.lines(lines, KINDS["exchange"][2])).encode()


def test_our_own_form_read_back_agrees_line_by_line(traded: Position) -> None:
    lines = rows.exchange_lines(scope())
    assert lines
    theirs, skipped = compare.read(form_of(lines))
    found = compare.compare(lines, theirs)
    assert (found.matched, found.differences, skipped) == (len(lines), [], 0)
    assert found.profit_ours == found.profit_theirs


def test_each_kind_of_difference_is_named(traded: Position) -> None:
    lines = rows.exchange_lines(scope())
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


@pytest.mark.slow
def test_a_strangers_reader_finds_the_totals_of_our_ledger(traded: Position, tmp_path: Path) -> None:
    """kalshi-csv, a public package that reads the exchange's own form."""
    from kalshi_csv.parser import KalshiCSV

    file = tmp_path / "form.csv"
    file.write_bytes(form_of(rows.exchange_lines(scope())))
    reader = KalshiCSV(str(file))
    reader.parse()
    assert round(reader.summary["total_pnl_with_fees"] * 1_000_000) == traded.realised


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n", "columns are missing"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (",".join(compare.NEEDED).encode() + b"\nM,yes,one,0.4,1,0,0,0.6,0.6\n", "Line 2"),
        (b"", "columns are missing"),
    ],
)
def test_a_file_that_is_not_the_form_is_refused_with_a_sentence(
    sample: dict[str, Any], login: Any, content: bytes, words: str
) -> None:
    page = upload(login("viewer"), content or b" ").content.decode()
    assert words in page
    assert "lines agree" not in page


def test_an_uploaded_file_is_laid_beside_our_live_rows(sample: dict[str, Any], login: Any) -> None:
    page = upload(login("viewer"), form_of(rows.exchange_lines(scope("live")))).content.decode()
    assert "0 markets differ" in page


def test_lines_without_a_profit_are_counted_and_left_out() -> None:
    content = ",".join(compare.NEEDED) + "\nM,yes,1,0.4,1,0,0,,\n"
    assert compare.read(content.encode()) == ([], 1)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@sum", "\tx"])
def test_no_text_is_a_formula(text: str) -> None:
    assert write.safe(text).startswith("'")


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
