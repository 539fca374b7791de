"""What Kalbot does in some seeded runs, to the letter: every order, and every row of trading at the end.

A difference is not a fault: it is a change of behaviour that somebody has to have wanted. ``bin/faults --write-stories`` writes the stories
anew; their difference belongs to the change that makes it, and is read with it.
"""

from __future__ import annotations

import difflib

import pytest
from django.db import connection

from tests.faults import told


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a death at the nth statement comes elsewhere on Postgres")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("story", told.kept(), ids=lambda story: story.path.stem)
def test_the_same_happens_as_ever(story: told.Story, redis_db: object) -> None:
    before, now = story.path.read_text(), story.told()
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", n=1, lineterm="")
    assert now == before, "\n".join(lines)


def test_stories_of_every_kind_of_run_are_kept() -> None:
    kinds = {option for story in told.kept() for option in story.options}
    assert kinds == {"harsh", "quoted", "family", "lived"}
