"""Several legs quoted against takers who know: who joins every touch and sells what is alone loses, who hedges at once does not.

The same as on recorded prints (docs/quoting.md): selling orphans pays the spread twice to whoever knew more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kalbot.common.units import CONTRACT
from tests.simulator.world import make_exchange, write_snapshot
from tests.strategies.quoting.flow_quoters import Careful, Joining, Naive, Quoter, Taker

SEEDS, SECONDS = range(6), 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_snapshot(tmp_path_factory.mktemp("flow"))


def quoters(folder: Path, sort: type[Quoter], kind: str) -> list[tuple[int, Quoter]]:
    found = [sort(make_exchange(folder, seed=seed), kind) for seed in SEEDS]
    return [(quoter.run(SECONDS), quoter) for quoter in found]


def test_a_naive_quoter_of_several_legs_loses_to_those_who_know(folder: Path) -> None:
    assert all(result < 0 for result, _ in quoters(folder, Naive, "informed"))


@pytest.mark.parametrize("kind", ["benign", "informed"])
def test_every_leg_rested_inside_the_budget_and_held_earns_where_a_taker_finds_nothing(folder: Path, kind: str) -> None:
    found = quoters(folder, Joining, kind)
    assert sum(result for result, _ in found) > 0
    assert sum(quoter.sets for _, quoter in found) > 10 * CONTRACT
    assert all(result == 0 for result, _ in quoters(folder, Taker, kind))


@pytest.mark.parametrize("kind", ["benign", "informed"])
def test_a_careful_one_does_not_and_completes_baskets(folder: Path, kind: str) -> None:
    found = quoters(folder, Careful, kind)
    assert sum(result for result, _ in found) > 0
    assert sum(quoter.sets for _, quoter in found) > 10 * CONTRACT


def test_where_nearly_nothing_is_traded_nothing_is_lost(folder: Path) -> None:
    found = quoters(folder, Careful, "thin")
    assert sum(result for result, _ in found) >= 0
    assert all(quoter.fills < 5 for _, quoter in found)
