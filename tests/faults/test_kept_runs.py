"""What Kalbot does in some seeded runs, to the letter: every order, and every row of trading at the end.

A difference is not a fault: it is a change of behaviour that somebody has to have wanted. ``bin/faults --write-kept`` writes them again;
their difference belongs to the change that makes it, and is read with it.
"""

from __future__ import annotations

import difflib

import pytest
from django.db import connection

from tests.faults import kept_runs


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a death at the nth statement comes elsewhere on Postgres")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", kept_runs.kept(), ids=lambda run: run.path.stem)
def test_the_same_happens_as_ever(run: kept_runs.KeptRun, redis_db: object) -> None:
    before, now = run.path.read_text(), run.recorded()
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", n=1, lineterm="")
    assert now == before, "\n".join(lines)


def test_runs_of_every_kind_are_kept() -> None:
    kinds = {option for run in kept_runs.kept() for option in run.options}
    assert kinds == {"harsh", "quoted", "family", "lived", "archived", "odd", "beside", "apart"}
