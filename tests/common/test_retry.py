"""A transaction that lost a race is done again; any other error is not."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from kalbot.common.db.retry import ATTEMPTS, retried


class Lost(Exception):
    """What the driver raises."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def failing(times: int, sqlstate: str, calls: list[int]) -> str:
    """Fails ``times`` times, then works."""
    calls.append(1)
    if len(calls) <= times:
        raise OperationalError("lost") from Lost(sqlstate)
    return "done"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_a_lost_race_is_run_again(sqlstate: str) -> None:
    calls: list[int] = []
    assert retried(lambda: failing(2, sqlstate, calls)) == "done"
    assert len(calls) == 3


@pytest.mark.django_db(transaction=True)
def test_other_errors_and_races_lost_too_often_are_raised() -> None:
    calls: list[int] = []
    with pytest.raises(OperationalError):
        retried(lambda: failing(99, "57P01", calls))
    assert len(calls) == 1
    calls.clear()
    with pytest.raises(OperationalError):
        retried(lambda: failing(99, "40P01", calls))
    assert len(calls) == ATTEMPTS
