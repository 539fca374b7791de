"""Which resting quote gives way to a basket that waits for its money."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strategies.cycle.quote_capital import Idle, Waiting, gives_way
from strategies.cycle.quote_places import BETTER
from strategies.screening.verdict import Status, Verdict

CANDIDATE = Verdict(Status.CANDIDATE)
MONEY = st.integers(0, 500)
RETURNS = st.integers(-10, 100).map(lambda number: number / 1_000)


def _waits(needs: int, worth: float) -> Waiting:
    return Waiting("BEST", needs, worth, CANDIDATE)


@st.composite
def _idle(draw: st.DrawFn) -> list[Idle]:
    return [Idle(f"E{n}", draw(MONEY), draw(RETURNS)) for n in range(draw(st.integers(0, 6)))]


@given(MONEY, RETURNS, st.integers(-100, 500), _idle())
def test_a_quote_gives_way_only_to_what_returns_clearly_more_and_only_if_that_can_be_bought_then(
    needs: int, worth: float, left: int, idle: list[Idle]
) -> None:
    wanted, free = _waits(needs, worth), left
    gone: list[Idle] = []
    while (one := gives_way(wanted, free, idle)) is not None:
        assert one in idle
        assert worth > BETTER * one.return_a_day
        could = [other for other in idle if other.locked and worth > BETTER * other.return_a_day]
        assert all(one.return_a_day <= other.return_a_day for other in could)
        assert free < needs
        idle = [other for other in idle if other is not one]
        free, gone = free + one.locked, [*gone, one]
    if gone:
        assert free >= needs, "quotes were withdrawn, and there is still not enough"
        assert free - gone[-1].locked < needs, "one more than was needed"


@given(MONEY, RETURNS, st.integers(0, 500), _idle())
def test_where_enough_could_come_free_and_is_not_there_one_gives_way(
    needs: int, worth: float, left: int, idle: list[Idle]
) -> None:
    worse = [one for one in idle if one.locked and worth > BETTER * one.return_a_day]
    is_short = left < needs <= left + sum(one.locked for one in worse)
    assert (gives_way(_waits(needs, worth), left, idle) is not None) == is_short
