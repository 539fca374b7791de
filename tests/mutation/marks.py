"""Which lines of a package run: each statement of its functions marks its lines first, in place. Costs next to nothing, unlike a tracer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import ModuleType

from tests.mutation.transplant import put

NAME = "_lines_reached"


class Marks:
    """The marks of these modules: ``(path, module, source)`` each. Stays in them for the life of the process."""

    def __init__(self, modules: list[tuple[str, ModuleType, str]]) -> None:
        self._marks: dict[str, bytearray] = {}
        self._lines: dict[str, dict[int, range]] = {}
        for path, module, source in modules:
            tree, marked = ast.parse(source), ast.parse(source)
            self._lines[path] = {}
            for function in _outermost(marked):
                self._lines[path] |= dict(_mark(function))
            self._marks[path] = bytearray(source.count("\n") + 2)
            setattr(module, NAME, self._marks[path])
            put(module, tree, ast.fix_missing_locations(marked))

    def clear(self) -> None:
        """Forget what has run."""
        for marks in self._marks.values():
            marks[:] = bytes(len(marks))

    def reached(self) -> Iterator[tuple[str, set[int]]]:
        """(path, lines) of what has run since; all lines of a statement, but of a compound one its head only."""
        for path, marks in self._marks.items():
            lines = {line for first, span in self._lines[path].items() if marks[first] for line in span}
            if lines:
                yield path, lines


def _outermost(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement
        elif isinstance(statement, ast.ClassDef):
            yield from _outermost(statement)


def _mark(function: ast.FunctionDef) -> Iterator[tuple[int, range]]:
    """Put a mark before each statement; yields its first line and all of its lines."""
    blocks = [
        (node, field, block)
        for node in ast.walk(function)
        for field in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, field, None), list)
    ]
    for node, field, block in blocks:
        marked: list[ast.stmt] = []
        for statement in block:
            yield statement.lineno, range(statement.lineno, _end(statement) + 1)
            marked += [_marking(statement), statement]
        setattr(node, field, marked)


def _end(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None)
    head = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return max(head, statement.lineno)


def _marking(statement: ast.stmt) -> ast.stmt:
    made = ast.parse(f"{NAME}[{statement.lineno}] = 1").body[0]
    for node in ast.walk(made):
        if isinstance(node, ast.stmt | ast.expr):
            ast.copy_location(node, statement)
    return made
