"""Mixed integer programmes, solved by HiGHS: where several limits couple the legs there is no closed form.

Built column by column, maximised, and honest about the result: ``bound`` is what no solution can exceed, so a caller can say
how far from the best its own may be. Work is limited by nodes and turns, not by time, so that the same books give the same answer on
every machine; the limit of time is for a machine that stands still. One thread: workers are forked. Floats: what comes out is a
proposal, priced again in exact integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np

MOST_NODES: Final = 500
MOST_TURNS: Final = 50_000
"""Of the simplex method. The largest family tried, 2,000 legs with five levels each, takes a few hundred."""
MOST_SECONDS: Final = 10.0
SMALL: Final = 500
"""Columns up to which a programme without whole numbers is solved sooner than it is made smaller."""
INFINITY: Final = highspy.kHighsInf

Terms = Sequence[tuple[int, float]]
"""(column, coefficient)."""


class ProgramError(RuntimeError):
    """A programme that is none: a fault of ours."""


class _Solver(highspy.Highs):
    """HiGHS without callbacks: registering them prints a greeting on standard output, where commands print JSON."""

    def enableCallbacks(self) -> None:
        """None are used."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Column values, their objective, the ``bound`` that no solution can exceed (of programmes with whole numbers), what the limit of each
    row is worth (of those without), and whether the solver proved it the best before a limit of its work."""

    values: Sequence[float]
    objective: float
    bound: float
    duals: Sequence[float] = ()
    is_best: bool = True


@dataclass(slots=True)
class Program:
    """Maximise the objective over the columns, subject to the rows."""

    _gain: list[float] = field(default_factory=list)
    _upper: list[float] = field(default_factory=list)
    _lower: list[float] = field(default_factory=list)
    _whole: list[bool] = field(default_factory=list)
    _rows: list[tuple[Terms, float, float]] = field(default_factory=list)

    def column(self, gain: float, upper: float, *, lower: float = 0.0, whole: bool = False) -> int:
        """A new column and its number. ``gain``: what one unit adds to the objective."""
        self._gain.append(gain)
        self._lower.append(lower)
        self._upper.append(upper)
        self._whole.append(whole)
        return len(self._gain) - 1

    def at_most(self, terms: Terms, limit: float) -> int:
        """sum of terms <= limit. The number of the row."""
        return self._row(terms, -INFINITY, limit)

    def at_least(self, terms: Terms, limit: float) -> int:
        """sum of terms >= limit. The number of the row."""
        return self._row(terms, limit, INFINITY)

    def equal(self, terms: Terms, value: float) -> int:
        """sum of terms = value. The number of the row."""
        return self._row(terms, value, value)

    def _row(self, terms: Terms, low: float, high: float) -> int:
        self._rows.append((_added_up(terms), low, high))
        return len(self._rows) - 1

    def solve(self) -> Solution | None:
        """The best solution found, or None when there is none (or none was found within the limits)."""
        solver = _Solver()  # type: ignore[no-untyped-call]  # the library's constructor has no types
        for option, value in (*_OPTIONS, ("simplex_iteration_limit", MOST_TURNS), ("time_limit", MOST_SECONDS)):
            solver.setOptionValue(option, value)
        if len(self._gain) <= SMALL and not any(self._whole):
            solver.setOptionValue("presolve", "off")
        if solver.passModel(self._model()) == highspy.HighsStatus.kError:
            raise ProgramError("the solver does not accept the programme")
        solver.run()
        info = solver.getInfo()
        if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        solution = solver.getSolution()
        values = list(solution.col_value)
        objective = float(info.objective_function_value)
        bound = max(objective, float(info.mip_dual_bound))
        is_best = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return Solution(values, objective, bound, list(solution.row_dual), is_best)

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self._gain), len(self._rows)
        model.sense_ = highspy.ObjSense.kMaximize
        model.col_cost_ = np.array(self._gain)
        model.col_lower_, model.col_upper_ = np.array(self._lower), np.array(self._upper)
        model.row_lower_ = np.array([low for _, low, _ in self._rows])
        model.row_upper_ = np.array([high for _, _, high in self._rows])
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[whole] for whole in self._whole]
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.start_ = np.cumsum([0, *(len(terms) for terms, _, _ in self._rows)])
        matrix.index_ = np.array([column for terms, _, _ in self._rows for column, _ in terms])
        matrix.value_ = np.array([number for terms, _, _ in self._rows for _, number in terms])
        return model


def _added_up(terms: Terms) -> Terms:
    """A column may be named twice; the solver takes it once."""
    total: dict[int, float] = {}
    for column, number in terms:
        total[column] = total.get(column, 0.0) + number
    return list(total.items())


_OPTIONS: Final = (
    ("output_flag", False),
    ("threads", 1),
    ("mip_max_nodes", MOST_NODES),
    ("mip_rel_gap", 1e-9),
    ("mip_abs_gap", 1e-7),
)
