"""The mutations themselves: what they change, that a change takes effect in place, and that the known faults still fit the code."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests.mutation import command, mutants, survivors
from tests.mutation.known import KNOWN
from tests.mutation.marks import Marks
from tests.mutation.transplant import forget_cached, put

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = '''
"""A module."""
LIMIT: int = 5

def capped(values):
    """Docstring: never changed."""
    total = 0
    for value in values:
        total += value
    if total < LIMIT and values:
        return total
    return min(LIMIT, total)

class Box:
    size = 3

    def half(self):
        return self.size // 2
'''


def test_each_operator_constant_guard_and_statement_is_changed_once() -> None:
    found = {mutant.what for mutant in mutants.of_source("box.py", SOURCE)}
    assert {
        "5 -> 6",
        "5 -> 5000",
        "total < LIMIT: Lt -> LtE",
        "total < LIMIT: Lt -> GtE",
        "total < LIMIT and values: And -> Or",
        "if total < LIMIT and values: never",
        "total += value: Add -> Sub",
        "total += value: removed",
        "min(LIMIT, total): min -> max",
        "self.size // 2: FloorDiv -> Mult",
    } <= found
    assert not any("Docstring" in what or "3 ->" in what for what in found)


def _module() -> types.ModuleType:
    module = types.ModuleType("box")
    module.__file__ = "box.py"
    exec(compile(SOURCE, "box.py", "exec"), vars(module))
    return module


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("5 -> 5000", (9, 1)),
        ("total += value: Add -> Sub", (-9, 1)),
        ("min(LIMIT, total): min -> max", (9, 1)),
        ("self.size // 2: FloorDiv -> Mult", (5, 6)),
    ],
)
def test_a_change_takes_effect_for_whoever_holds_the_function(what: str, expected: tuple[int, int]) -> None:
    module = _module()
    capped, box = module.capped, module.Box()
    assert (capped([4, 5]), box.half()) == (5, 1)
    mutant = next(one for one in mutants.of_source("box.py", SOURCE) if one.what == what)
    put(module, ast.parse(SOURCE), mutant.tree)
    assert (capped([4, 5]), box.half()) == expected


def test_what_a_class_of_fields_makes_itself_is_left_as_it_is() -> None:
    """The constructor of a NamedTuple is a lambda for Python: it is none of the module's own."""
    fields = "from typing import NamedTuple\n\nclass Pair(NamedTuple):\n    a: int\n    b: int\n\n"
    source = fields + "ADD = (lambda: 3)\n\ndef f():\n    return 1\n"
    module = types.ModuleType("pairs")
    module.__file__ = "pairs.py"
    exec(compile(source, "pairs.py", "exec"), vars(module))
    put(module, ast.parse(source), ast.parse(source.replace("return 1", "return 2")))
    assert (module.f(), module.Pair(1, 2)) == (2, (1, 2))


def test_what_was_cached_from_the_old_code_is_forgotten() -> None:
    module = types.ModuleType("box_of_caches")

    @functools.cache
    def once() -> list[int]:
        return []

    module.__dict__["once"] = once
    sys.modules["box_of_caches"] = module
    before = once()
    try:
        forget_cached("box_of")
        assert once() is before, "another package's"
        forget_cached("box_of_caches")
        assert once() is not before
    finally:
        del sys.modules["box_of_caches"]


def test_every_known_fault_fits_the_code() -> None:
    found = command.of_known()
    assert len(found) == len(KNOWN) >= 25
    assert len({one.what for one in found}) == len(found)


def test_every_survivor_with_a_reason_is_still_a_mutation_of_the_code() -> None:
    paths = sorted({one.path for one in survivors.SURVIVORS})
    found = {(one.module, one.qualname, one.what) for one in command.of_paths(paths)}
    listed = [(one.path, one.function, one.what) for one in survivors.SURVIVORS]
    assert [one for one in listed if one not in found] == []
    assert len(set(listed)) == len(listed)
    assert all(len(one.reason) > 20 for one in survivors.SURVIVORS)


def test_a_part_of_a_condition_and_what_narrows_a_query_are_left_out_one_by_one() -> None:
    source = "def f(a, b, c, rows):\n    if a and b and c:\n        return rows.filter(x=a, y=b).exists(z=1)\n    return a or b\n"
    texts = {one.what: ast.unparse(one.tree).splitlines()[1:] for one in mutants.of_source("m.py", source)}
    assert texts["b: dropped from a and b and c"][0] == "    if a and c:"
    assert texts["a: dropped from a or b"][2] == "    return b"
    assert texts["x: dropped from rows.filter(x=a, y=b)"][1] == "        return rows.filter(y=b).exists(z=1)"
    assert not any(what.startswith("z: dropped") for what in texts)


def test_what_stands_within_a_call_and_what_ends_something_early_is_changed() -> None:
    source = (
        "def f(rows, box):\n    while rows:\n        if not rows[0]:\n            box.seen = 1\n            return None\n"
        "        if rows.pop():\n            break\n        del rows[0]\n"
        "    box.kept = [row for row in rows if row > 2 if row]\n    return any(row < 5 for row in rows)\n"
    )
    texts = {one.what: (one.line, ast.unparse(one.tree)) for one in mutants.of_source("m.py", source)}
    assert "box.seen = 1\n            pass" in texts["return None: removed"][1]
    assert "box.kept" not in texts["box.kept = [row for row in rows if row > 2 if row]: removed"][1]
    line, text = texts["if row > 2: dropped from for row"]
    assert line == 9
    assert "[row for row in rows if row]" in text
    assert "row <= 5" in texts["row < 5: Lt -> LtE"][1]
    assert "while False" in texts["while rows: never"][1]
    assert "del rows[0]: removed" in texts
    # what a condition that is never true leaves out already, and what nothing could do without
    assert not {"break: removed", "return any((row < 5 for row in rows)): removed"} & set(texts)


def test_marks_say_which_lines_ran_for_whoever_holds_the_function() -> None:
    module, source = _module(), SOURCE.replace("return total\n", "return max(\n            total,\n            0)\n", 1)
    exec(compile(source, "box.py", "exec"), vars(module))
    half, capped, box = module.Box.half, module.capped, module.Box()
    marks = Marks([("box.py", module, source)])
    assert list(marks.reached()) == []
    assert (capped([1]), half(box)) == (1, 1)
    [(path, lines)] = marks.reached()
    first = source.splitlines().index("def capped(values):") + 1
    assert path == "box.py"
    assert {line - first for line in lines} == {1, 2, 3, 4, 5, 6, 7, 8, 15}
    marks.clear()
    assert list(marks.reached()) == []


def test_texts_that_are_cut_and_rows_that_are_only_locked_are_left_alone() -> None:
    source = "def f(x, rows):\n    rows.select_for_update().get(pk=x)\n    return x[:300], x[:3], x[5:]\n"
    assert {one.what for one in mutants.of_source("m.py", source)} == {"3 -> 4", "3 -> 3000", "5 -> 6", "5 -> 5000"}


def test_a_path_outside_of_trading_is_refused_in_words() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation.command", "markets"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert (
        "markets is no module of trading, strategies/quoting, strategies/collateral, markets/terms, strategies/dutch"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
