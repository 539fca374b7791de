"""Advice replayed on prints: books from what takers paid, the product's assessment, leaving against what came."""

from __future__ import annotations

from datetime import UTC, datetime

from markets.book import Side
from triage.assessment.case import View
from triage.evidence import advice_replay
from triage.evidence.advice_replay import HELD, Given, Settled
from triage.evidence.advice_report import interval, markdown
from triage.evidence.orphans import Touch
from triage.weather.mapping import HOUR_MS

EVENT = "KXHIGHNY-25MAR10"
LEGS = tuple(f"{EVENT}-{name}" for name in ("T40", "B40.5", "B42.5"))
MIDNIGHT = int(datetime(2025, 3, 10, tzinfo=UTC).timestamp() * 1000)


def _prints(*moments: tuple[int, tuple[float, float, float]]) -> Touch:
    """At each hour from midnight UTC both sides of every leg print a cent around these prices."""
    touch: Touch = {}
    for hour, prices in moments:
        for ticker, price in zip(LEGS, prices, strict=True):
            touch.setdefault((ticker, "yes"), []).append((MIDNIGHT + hour * HOUR_MS, round(price - 0.01, 4)))
            touch.setdefault((ticker, "no"), []).append((MIDNIGHT + hour * HOUR_MS, round(1 - price - 0.01, 4)))
    return touch


def _event(touch: Touch, winner: int) -> Settled:
    results = {ticker: "yes" if number == winner else "no" for number, ticker in enumerate(LEGS)}
    (found,) = advice_replay.settled_events(touch, results)
    return found


def test_a_bet_that_falls_below_its_line_is_advised_to_leave_and_scored_by_what_came() -> None:
    hours = [(hour, (0.75, 0.15, 0.10) if hour < 6 else (0.55, 0.30, 0.15)) for hour in range(-6, 29, 2)]
    for winner, sign in ((0, -1), (1, 1)):
        given = advice_replay.replay([_event(_prints(*hours), winner)], {})
        (one,) = (g for g in given if (g.kind, g.reason, g.word) == ("bet on coverage", "coverage_below_line", "exit"))
        # ten contracts sold at 54 cents less the fee 0.07 x 0.54 x 0.46 each, or a dollar each
        sold = 10 * 540_000 - 173_880
        fee_rounding = 10_000
        assert one.difference is not None
        assert abs(one.difference - (sold - (10_000_000 if winner == 0 else 0))) <= fee_rounding
        assert (one.difference > 0) == (sign > 0)


def test_a_side_without_a_print_of_the_last_hours_has_no_price_and_of_two_that_cross_the_older_is_gone() -> None:
    event = _event(_prints((0, (0.5, 0.3, 0.2))), 0)
    assert event.books(MIDNIGHT + 5 * HOUR_MS)[LEGS[0]].best_bid(Side.YES) == 4900
    assert event.books(MIDNIGHT + 7 * HOUR_MS)[LEGS[0]].best_bid(Side.YES) is None
    touch = _prints((0, (0.5, 0.3, 0.2)))
    touch[(LEGS[0], "yes")].append((MIDNIGHT + HOUR_MS, 0.6))  # the NO bid of 49 cents is older
    book = _event(touch, 0).books(MIDNIGHT + 2 * HOUR_MS)[LEGS[0]]
    assert (book.best_bid(Side.YES), book.best_bid(Side.NO)) == (6000, None)


def test_nothing_after_a_moment_is_known_at_it() -> None:
    before = [(hour, (0.75, 0.15, 0.10)) for hour in range(-6, 6, 2)]
    later = [(hour, (0.05, 0.90, 0.05)) for hour in range(6, 29, 2)]
    at = MIDNIGHT + 5 * HOUR_MS
    assert _event(_prints(*before), 0).books(at) == _event(_prints(*before, *later), 0).books(at)


def test_a_source_that_sees_less_in_holding_advises_to_sell_under_its_own_name() -> None:
    hours = [(hour, (0.75, 0.15, 0.10)) for hour in range(-6, 29, 2)]
    said = View("desk", {LEGS[0]: 0.2, LEGS[1]: 0.7, LEGS[2]: 0.1}, 0)
    given = advice_replay.replay([_event(_prints(*hours), 1)], {(EVENT, MIDNIGHT): (said,)})
    kinds = {one.kind for one in given if one.reason == "source_sell_beats_hold:desk"}
    assert kinds == {"bet on coverage", "YES alone"}


def test_an_event_with_two_winners_or_an_unsettled_leg_is_left_out() -> None:
    touch = _prints((0, (0.5, 0.3, 0.2)))
    for results in (("yes", "yes", "no"), ("yes", "no", "")):
        assert not list(advice_replay.settled_events(touch, dict(zip(LEGS, results, strict=True))))


def test_the_table_counts_what_could_be_left_and_its_interval_is_over_days() -> None:
    def given(day: int, difference: int | None) -> Given:
        return Given("NO alone", "sell_beats_hold", "exit", f"KXHIGHNY-25MAR{day}", difference)

    some = [given(10 + n % 2, 1_000_000 if n % 2 else -500_000) for n in range(30)] + [given(10, None)]
    assert "| NO alone | exit | sell beats hold | 31 | 30 | 50% | +0.25 ± 1.47 | +7.50 |" in markdown(some)
    assert "Left out: 29 of reasons" in markdown(some[:29])
    assert interval([("a", 1.0), ("a", 3.0)]) == ""
    assert HELD == 1_000
