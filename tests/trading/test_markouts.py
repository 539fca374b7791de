"""What fills of quotes were worth a moment later, what that says of a series, and how it changes its quotes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.models import Series
from strategies.cycle import quote_records
from strategies.models import QuoteRecord
from tests.trading import quoted
from tests.trading.twin import Twin
from trading.models import Fill, MarkOut, Order, Position
from trading.quoted import markouts, records


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def _filled(twin: Twin, **columns: Any) -> Position:
    position = quoted.begun(twin, quoted.profile(**columns))
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    return quoted.step(twin, position)


def _after(twin: Twin, seconds: float) -> MarkOut:
    """The mark-out once so many seconds have passed since the fill, whose books the stream has proven alive."""
    at = MarkOut.objects.get().at if MarkOut.objects.exists() else Fill.objects.get().created_at
    with time_machine.travel(at + timedelta(seconds=seconds), tick=False):
        twin.sync()
        markouts.measure()
    return MarkOut.objects.get()


def test_the_middle_of_leg_and_others_is_read_after_each_fill(twin: Twin) -> None:
    _filled(twin)
    found = _after(twin, 1.5)
    assert (found.price, found.count, found.side) == (5_500, 300, "no")
    spread = quoted.NO_ASKS[0]
    assert found.leg_1 == (spread + _bid(twin, 0)) * 50
    others = sum(quoted.NO_ASKS[n] + quoted.NO_BIDS[n] for n in (1, 2)) * 50
    assert found.others_1 == others
    assert found.leg_10 is None
    twin.quote(twin.markets[1], "bid", 4_100, 500)  # NO of another leg is offered at 0.59
    found = _after(twin, 11)
    assert found.others_10 == others - (quoted.NO_ASKS[1] - 5_900) * 50
    assert not _after(twin, 59).is_done, "what comes after a minute is still to be read"
    found = _after(twin, 61)
    assert found.leg_60 is not None
    assert found.is_done


def _bid(twin: Twin, number: int) -> int:
    asks = twin.exchange.books[twin.markets[number]].best_ask()
    assert asks is not None
    return 10_000 - asks


def test_what_is_read_too_late_or_without_a_price_stays_empty(twin: Twin) -> None:
    _filled(twin)
    found = _after(twin, 5)
    assert found.leg_1 is None
    twin.cancel_makers(twin.markets[0], "bid")
    assert _after(twin, 11).leg_10 is None, "nobody offers NO"
    found = _after(twin, 70)
    assert (found.leg_60, found.is_done) == (None, True)


def test_legs_that_are_taken_are_not_measured(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile(quoting="one_leg", quote_min_margin_ppm=1_000, count_step=1))
    quoted.sell_no(twin, 0, 5_600, 300)
    position = quoted.step(twin, position)
    assert quoted.held(position) == [300] * 3
    markouts.measure()
    assert MarkOut.objects.get().price == 5_600


def _record(twin: Twin, **columns: Any) -> QuoteRecord:
    found = {"fills": 30, "wanted": 10_000, "complete": 5_000, "orphaned": 2_000} | columns
    quote_records.forget()
    row, _ = QuoteRecord.objects.update_or_create(
        series=Series.objects.get(pk=twin.row.series_id),
        mode="live",
        side="no",
        band=columns.get("band", ""),
        defaults={"at": clock.now()} | found,
    )
    return row


def test_a_series_is_counted_from_its_fills_and_ended_quotes(twin: Twin) -> None:
    position = _filled(twin)
    for seconds in (1.5, 11, 61):
        _after(twin, seconds)
    MarkOut.objects.update(leg_60=5_500 * 100 - 30_000)
    Position.objects.filter(pk=position.pk).update(status="open")
    assert records.refresh() == 1
    row = QuoteRecord.objects.get()
    assert (row.series_id, row.mode, row.side) == (twin.row.series_id, "live", "no")
    assert (row.fills, row.mark_60) == (1, -30_000)
    assert (row.baskets, row.wanted, row.complete, row.orphaned) == (1, 1_000, 0, 300)
    assert row.tokens == 3 * 10 + 3 * 2
    assert records.refresh() == 1, "counted again, not twice"
    assert QuoteRecord.objects.get().fills == 1
    Position.objects.update(quote_band="5c 24h")
    assert records.refresh() == 2
    whole, banded = QuoteRecord.objects.order_by("band")
    same = ("fills", "mark_60", "baskets", "wanted", "complete", "orphaned", "tokens")
    assert [getattr(whole, column) for column in same] == [getattr(banded, column) for column in same]
    assert (whole.band, banded.band) == ("", "5c 24h")


@pytest.mark.parametrize(
    ("mark", "rests"),
    [(0, True), (-20_000, True), (-700_000, False)],
    ids=["nothing lost", "a margin that the touch leaves", "a margin that the touch does not leave"],
)
def test_a_series_whose_fills_lose_is_quoted_wider(twin: Twin, mark: int, rests: bool) -> None:
    position = quoted.begun(twin, quoted.profile(plausible_margin_ppm=300_000))
    _record(twin, mark_60=mark)
    position = quoted.step(twin, position)
    assert bool(quoted.resting(position)) is rests
    if not rests:
        assert (position.status, position.close_code) == ("aborted", "margin_gone")


@pytest.mark.parametrize(
    "columns",
    [{"mark_60": -1, "complete": 0}, {"mark_60": -900_000, "orphaned": 90_000}],
    ids=["nothing completes", "more than a set pays"],
)
def test_a_series_in_which_no_margin_would_do_is_not_quoted(twin: Twin, columns: dict[str, int]) -> None:
    position = quoted.begun(twin, quoted.profile())
    _record(twin, **columns)
    position = quoted.step(twin, position)
    assert (position.status, position.close_code) == ("aborted", "quote_loses")
    assert not Order.objects.filter(status="resting").exists()


@pytest.mark.parametrize(("band", "fills", "rests"), [("2c 6h", 30, False), ("2c 6h", 19, True), ("5c 6h", 30, True)])
def test_quotes_of_a_band_are_judged_by_its_own_fills_where_there_are_enough(
    twin: Twin, band: str, fills: int, rests: bool
) -> None:
    position = quoted.begun(twin, quoted.profile())
    Position.objects.update(quote_band="2c 6h")
    _record(twin, mark_60=0)
    _record(twin, mark_60=-900_000, complete=0, fills=fills, band=band)
    assert bool(quoted.resting(quoted.step(twin, position))) is rests


def test_a_few_fills_say_nothing(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    _record(twin, mark_60=-900_000, complete=0, fills=19)
    assert quoted.resting(quoted.step(twin, position))


def test_records_of_paper_say_nothing_about_live(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    QuoteRecord.objects.filter(pk=_record(twin, mark_60=-1, complete=0).pk).update(mode="sim")
    assert quoted.resting(quoted.step(twin, position))
