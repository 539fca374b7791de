"""Sequence numbers: gaps, duplicates, counters set back, and numbers that cannot be believed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.kalshi.ws import frames
from markets.kalshi.ws.intake import Intake
from markets.kalshi.ws.sequence import LARGEST_JUMP, MOST_SUBSCRIPTIONS, RESTART_RUN, Arrival, SequenceTracker

from .bodies import (
    DELTA,
    SNAPSHOT,
    TRADE_FRAME,
    but,
)
from .test_intake import feed


def test_a_gap_is_announced_before_the_frame_that_shows_it() -> None:
    intake = Intake()
    out = feed(SNAPSHOT, but(DELTA, seq=2), but(DELTA, seq=5), but(DELTA, seq=6), intake=intake)
    assert [type(frame) for frame in out] == [
        frames.BookSnapshot,
        frames.BookDelta,
        frames.GapFrame,
        frames.BookDelta,
        frames.BookDelta,
    ]
    assert (out[2].sid, out[2].expected, out[2].got, out[2].reason) == (1, 3, 5, "lost")


def test_the_first_message_of_a_subscription_is_number_one() -> None:
    out = feed(but(SNAPSHOT, seq=4))
    assert [type(frame) for frame in out] == [frames.GapFrame, frames.BookSnapshot]


def test_duplicates_are_dropped_and_counted() -> None:
    intake = Intake()
    out = feed(SNAPSHOT, DELTA, DELTA, but(DELTA, seq=1), but(DELTA, seq=3), intake=intake)
    assert [frame.seq for frame in out] == [1, 2, 3]
    assert (intake.tally.duplicates, intake.tally.ignored, intake.sequence.duplicates) == (2, 2, 2)
    assert intake.tally.balances


def test_subscriptions_count_for_themselves_and_over_all_their_markets() -> None:
    other = but(SNAPSHOT, seq=2, msg__market_ticker="B")
    out = feed(SNAPSHOT, TRADE_FRAME, other, but(TRADE_FRAME, seq=2), but(DELTA, seq=3, msg__market_ticker="B"))
    assert not any(isinstance(frame, frames.GapFrame) for frame in out)


def test_acknowledgements_take_their_place_in_the_sequence() -> None:
    ok = {"type": "ok", "id": 4, "sid": 1, "seq": 2, "msg": {"market_tickers": ["A", "B"]}}
    out = feed(SNAPSHOT, ok, but(DELTA, seq=3))
    assert [type(frame) for frame in out] == [frames.BookSnapshot, frames.Ack, frames.BookDelta]
    assert out[1].market_tickers == ("A", "B")


def test_an_acknowledgement_that_repeats_a_number_is_heard_all_the_same() -> None:
    ok = {"type": "ok", "id": 4, "sid": 1, "seq": 1}
    out = feed(SNAPSHOT, ok, but(DELTA, seq=2))
    assert [type(frame) for frame in out] == [frames.BookSnapshot, frames.Ack, frames.BookDelta]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_a_number_that_the_latest_gap_skipped_is_no_duplicate(arrivals: list[int]) -> None:
    tracker, skipped, last = SequenceTracker(), range(0), 0
    for seq in arrivals:
        arrival = tracker.arrive(1, seq)
        if seq == last + 1:
            assert arrival is Arrival.NEXT
        elif seq > last:
            assert arrival is Arrival.GAP
            skipped = range(last + 1, seq)
        elif seq in skipped:
            assert arrival is Arrival.GAP
            skipped = range(skipped.start, seq)
        if arrival is not Arrival.DUPLICATE:
            last = seq
        assert tracker.expected(1) == last + 1


@pytest.mark.parametrize("steps", [[7, 50, 400], [100] * 9, [900, 1, 1, 900], [9_000, 9_000]])
def test_small_jumps_that_climb_do_not_silence_what_is_true(steps: list[int]) -> None:
    """Each could be a loss; after the last the true numbers go on where they were, and none of them is taken for a duplicate."""
    tracker, at = SequenceTracker(), 10
    for seq in range(1, 11):
        assert tracker.arrive(1, seq) is Arrival.NEXT
    for step in steps:
        at += step + 1
        tracker.arrive(1, at)
    assert tracker.arrive(1, 11) is Arrival.GAP
    assert [tracker.arrive(1, seq) for seq in (12, 13, 14)] == [Arrival.NEXT] * 3


@pytest.mark.parametrize("bogus", [0, -1, -(2**63)])
def test_a_number_below_one_is_no_duplicate_but_cannot_be_believed(bogus: int) -> None:
    tracker = SequenceTracker()
    assert tracker.arrive(1, bogus) is Arrival.JUMP
    assert tracker.arrive(1, 1) is Arrival.NEXT
    assert tracker.arrive(1, bogus) is Arrival.JUMP
    assert tracker.arrive(1, 2) is Arrival.NEXT
    assert (tracker.duplicates, tracker.gaps) == (0, 2)


@pytest.mark.parametrize("bogus", [LARGEST_JUMP + 7, 10**6, 2**31, 2**53, 2**62, 2**64 - 1])
def test_a_number_that_cannot_be_believed_is_never_a_baseline(bogus: int) -> None:
    intake = Intake()
    out = feed(
        SNAPSHOT, but(DELTA, seq=bogus), *[but(DELTA, seq=n) for n in (2, 3)], but(SNAPSHOT, seq=4), intake=intake
    )
    assert [type(frame) for frame in out] == [
        frames.BookSnapshot,
        frames.GapFrame,
        frames.RejectedFrame,
        frames.BookDelta,
        frames.BookDelta,
        frames.BookSnapshot,
    ]
    assert (out[1].reason, out[1].expected, out[1].got) == ("jump", 2, bogus)
    assert (intake.tally.rejected, intake.tally.duplicates) == (1, 0)
    assert intake.tally.balances


@pytest.mark.parametrize("bogus", [7, 100, LARGEST_JUMP])
def test_a_bogus_number_within_reason_silences_nothing(bogus: int) -> None:
    out = feed(SNAPSHOT, but(DELTA, seq=bogus), *[but(DELTA, seq=n) for n in (2, 3)], but(SNAPSHOT, seq=4))
    assert [type(frame) for frame in out] == [
        frames.BookSnapshot,
        frames.GapFrame,
        frames.BookDelta,
        frames.GapFrame,
        frames.BookDelta,
        frames.BookDelta,
        frames.BookSnapshot,
    ]


def test_a_bogus_first_number_silences_nothing() -> None:
    out = feed(but(SNAPSHOT, seq=2**62), SNAPSHOT, DELTA)
    assert [type(frame) for frame in out] == [
        frames.GapFrame,
        frames.BookSnapshot,
        frames.GapFrame,
        frames.BookSnapshot,
        frames.BookDelta,
    ]


def test_a_counter_that_was_set_back_is_not_taken_for_duplicates_for_ever() -> None:
    tracker = SequenceTracker()
    for seq in range(1, 101):
        tracker.arrive(1, seq)
    arrivals = [tracker.arrive(1, seq) for seq in range(1, 40)]
    assert arrivals[: RESTART_RUN - 1] == [Arrival.DUPLICATE] * (RESTART_RUN - 1)
    assert arrivals[RESTART_RUN - 1] is Arrival.GAP
    assert set(arrivals[RESTART_RUN:]) == {Arrival.NEXT}


def test_scattered_duplicates_are_no_restart() -> None:
    tracker = SequenceTracker()
    for seq in range(1, 101):
        tracker.arrive(1, seq)
    draw = random.Random(5)
    assert all(tracker.arrive(1, draw.choice(range(1, 100, 2))) is Arrival.DUPLICATE for _ in range(500))


def test_subscriptions_without_end_are_not_counted_along() -> None:
    tracker = SequenceTracker()
    arrivals = [tracker.arrive(sid, 1) for sid in range(5_000)]
    assert arrivals[:MOST_SUBSCRIPTIONS] == [Arrival.NEXT] * MOST_SUBSCRIPTIONS
    assert set(arrivals[MOST_SUBSCRIPTIONS:]) == {Arrival.JUMP}
    assert tracker.arrive(7, 2) is Arrival.NEXT
