"""Comparing a benchmark with an earlier revision: what is compared, and what is not."""

from __future__ import annotations

import pytest

from bench import __main__ as command
from bench import _compare


def test_medians_of_shared_figures_are_compared() -> None:
    then = [_compare.figures({"a": {"p50": value, "gone": 1}, "name": "x", "same": True}) for value in (40, 10, 20)]
    now = [_compare.figures({"a": {"p50": value}, "new": 1, "zero": 0}) for value in (5, 90, 10)]
    assert _compare.compared(then, now) == {"a.p50": {"then": 20.0, "now": 10.0, "ratio": 0.5}}
    nothing = [{"a": 0.0}]
    assert _compare.compared(nothing, nothing)["a"]["ratio"] is None


def test_a_comparison_without_a_revision_or_a_known_benchmark_is_refused() -> None:
    assert command.main(["--compare", "HEAD"]) == 2
    assert command.main(["--compare", "HEAD", "no such benchmark"]) == 2


def test_a_revision_that_does_not_exist_is_named_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("no-such-revision", "--output=/tmp/x", ""):
        assert _compare.run(name, "dutch", []) == 1
        printed = capsys.readouterr()
        assert f"there is no revision {name!r}" in printed.err
        assert "Command" not in printed.err
        assert not printed.out
