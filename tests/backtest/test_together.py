"""Profiles that trade on one account are replayed together: what one bought is not there for the other, and the cash is spent once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtest.options import WHOLE, BadOption, Options, from_document, together
from backtest.replay import session
from backtest.replay.turns import Judged, Recorded
from backtest.report.results import Result
from backtest.studies import by_workers
from backtest.studies.comparison import exchanges
from strategies.models import Decision, Profile
from tests.backtest.tapes import SECOND, START, options, planted

pytestmark = pytest.mark.usefixtures("own_database")


def _two(tape: Path, **columns: Any) -> list[Options]:
    return [options(tape, profile={"name": name, **columns}) for name in ("first", "second")]


def _bought(found: Result) -> dict[str, list[int]]:
    return {one["profile"]: [leg["bought"] for leg in one["legs"]] for one in found.positions if one["spent"]}


def test_what_one_profile_bought_is_not_there_for_another_of_its_account(tmp_path: Path) -> None:
    """Each alone buys all of the edge. Together one of them has it, and the other finds nothing left; the same every time."""
    runs = _two(planted(tmp_path))
    assert [_bought(session.run(run)) for run in runs] == [{"first": [2_000] * 3}, {"second": [2_000] * 3}]
    found = session.run(together(runs))
    assert _bought(found) == {"first": [2_000] * 3}
    assert found.profile == "first + second"
    assert {name: group["baskets"] for name, group in found.by["profile"].items()} == {"first": 1}
    assert session.run(together(runs)).fingerprint == found.fingerprint


def test_an_account_pays_for_what_its_cash_is_enough_for(tmp_path: Path) -> None:
    """A basket costs 37 dollars. What the profiles may spend is more, and another subaccount has cash of its own."""
    runs = _two(planted(tmp_path))
    assert session.run(together(runs, {WHOLE: 38_000_000})).baskets == 1
    short = session.run(together(runs, {WHOLE: 9_000_000}))
    assert (short.baskets, set(short.denials)) == (0, {"shard_cash"})
    by_shard = session.run(together(runs, {"0": 9_000_000, "1": 90_000_000}))
    assert by_shard.baskets == 0, "an order is paid from its own market's shard"


def test_each_profile_of_an_account_is_judged_again_in_its_own_turn(tmp_path: Path) -> None:
    """The second one was first in the recorded run, so it has the event."""
    runs = _two(planted(tmp_path))
    moments = {"first": 80, "second": 75}
    recorded = {
        name: Recorded([Judged(at, at, {"GAME-EDGE": at})], [START + 66 * SECOND])
        for name, seconds in moments.items()
        for at in [START + seconds * SECOND]
    }
    wanted = together(runs)
    with session.open_run(wanted, session.records_of(wanted), recorded) as running:
        running.engine.run()
        found = [(row.profile.name, row.created_at.timestamp() * SECOND) for row in Decision.objects.all()]
    assert [(name, round(at - START)) for name, at in found][:1] == [("second", 75 * SECOND)] or found[0][0] == "second"
    assert {name for name, _ in found} == {"second"}


def test_profiles_on_paper_are_replayed_alone_and_live_ones_together() -> None:
    made = [Profile(name=name, mode=mode) for name, mode in [("a", "sim"), ("b", "live"), ("c", "live"), ("d", "sim")]]
    assert [[one.name for one in group] for group in exchanges(made)] == [["b", "c"], ["a"], ["d"]]


def test_a_run_of_several_profiles_is_kept_and_read_again(tmp_path: Path) -> None:
    wanted = together(_two(planted(tmp_path)), {"0": 5})
    again = from_document(json.loads(json.dumps(wanted.document())))
    assert [one["name"] for one in again.profiles] == ["first", "second"]
    assert (again.cash, [one["subaccount"] for one in again.profiles]) == ({"0": 5}, [0, 0])
    with pytest.raises(BadOption, match="names of their own"):
        together([*_two(tmp_path), *_two(tmp_path)])


def test_what_varies_a_run_s_size_varies_every_profile_and_the_cash(tmp_path: Path) -> None:
    wanted = together(_two(planted(tmp_path)), {WHOLE: 100})
    sized = [one.options for one in by_workers.variations(wanted) if one.varied == "size"]
    most = [[columns["leg_risk_budget"] for columns in one.profiles] for one in sized]
    own = wanted.profile["leg_risk_budget"]
    assert most == [[round(own * factor)] * 2 for factor in by_workers.SIZES]
    assert [one.cash for one in sized] == [{WHOLE: round(100 * factor)} for factor in by_workers.SIZES]
