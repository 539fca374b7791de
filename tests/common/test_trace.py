"""The stages of a decision: what counts, in which order, and what a clock that was set back does."""

from __future__ import annotations

import pytest

from kalbot.common import trace
from kalbot.common.trace import SENTENCES, Stage


def test_every_stage_has_a_sentence_and_a_place() -> None:
    assert set(SENTENCES) == set(Stage) == {Stage.RECEIVED, *trace.BEFORE, *trace.AFTER}


def test_steps_are_in_order_whatever_the_order_of_noting() -> None:
    noted = {"sent": 9_000, "decided": 4_000, "received": 1_000, "unheard_of": 5}
    assert trace.steps(noted) == [
        (Stage.RECEIVED, 1_000, None),
        (Stage.DECIDED, 4_000, 3_000),
        (Stage.SENT, 9_000, 5_000),
    ]
    assert trace.spans(noted) == {
        "decided": pytest.approx(0.003),
        "sent": pytest.approx(0.005),
        "received_to_decided": pytest.approx(0.003),
        "decided_to_sent": pytest.approx(0.005),
    }


def test_the_first_mark_counts_unless_it_is_the_last_that_is_wanted() -> None:
    noted: trace.Trace = {"sent": 1, "all_sent": 1}
    trace.mark(noted, Stage.SENT)
    trace.mark(noted, Stage.ALL_SENT, again=True)
    assert noted["sent"] == 1 < noted["all_sent"]


def test_each_step_is_counted_once_and_backwards_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("kalbot.common.counters.observe", lambda name, seconds, labels: seen.append(labels["stage"]))
    whole = {"received": 1, "started": 2, "decided": 3, "taken": 2, "sent": 5, "stored": 9}
    trace.count(whole, trace.BEFORE)
    trace.count(whole, trace.AFTER)
    assert seen == [
        "started",
        "decided",
        "received_to_decided",
        "sent",
        "stored",
        "decided_to_sent",
        "decided_to_stored",
    ]
