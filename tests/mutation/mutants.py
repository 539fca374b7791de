"""The mutations of a module: one changed operator, constant, guard or statement each, found in its syntax tree. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
NARROWING = ("filter", "exclude", "update", "get", "Q")
"""Calls whose every keyword decides about rows."""
TALK = ("log", "logger", "logging")
"""What only speaks is no behaviour: the wording of a log line is nobody's bound."""
TEXT = 40
"""A slice from this length on cuts a text to its column: a character more or less is nobody's bound."""
WORDS = ("__str__", "_explain", "__repr__")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module. ``qualname`` of the function it lies in, empty at module level; ``make`` gives the whole changed module."""

    module: str
    line: int
    qualname: str
    what: str
    make: Callable[[], ast.Module]

    @property
    def tree(self) -> ast.Module:
        """The whole changed module, made when it is wanted: all trees of all mutants would fill the memory."""
        return self.make()

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line} {self.what}"


def mutable(path: str) -> bool:
    """Whether a module is changed: what the database is made from and what only parses a command's arguments is not."""
    return not any(f"/{folder}/" in path for folder in ("migrations", "models", "management"))


def of_source(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module's source, in order of lines."""
    tree = ast.parse(source)
    for path, qualname in _places(tree):
        node = _at(tree, path)
        for what, change in [*_changes(node), *_removal(node, _at(tree, path[:-1]))]:
            line = node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0)
            yield Mutant(module, line, qualname, what, partial(_changed, source, path, change))


Path = tuple[tuple[str, int], ...]
"""(field, index within it, -1 when it is no list) from the module down to a node."""
Change = Callable[[ast.Module, Path], None]


def _changed(source: str, path: Path, change: Change) -> ast.Module:
    tree = ast.parse(source)
    change(tree, path)
    return ast.fix_missing_locations(tree)


def _places(tree: ast.Module) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []

    def visit(node: ast.AST, path: Path, qualname: str, in_class: bool) -> None:
        if _is_skipped(node, in_class):
            return
        found.append((path, qualname))
        inside = qualname
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = f"{qualname}.{node.name}" if qualname else node.name
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "bases") or isinstance(value, ast.arguments):
                continue
            items = value if isinstance(value, list) else [value]
            for number, child in enumerate(items):
                if isinstance(child, ast.AST):
                    step = (field, number if isinstance(value, list) else -1)
                    visit(child, (*path, step), inside, isinstance(node, ast.ClassDef))

    for number, statement in enumerate(tree.body):
        visit(statement, (("body", number),), "", False)
    return found


def _is_skipped(node: ast.AST, in_class: bool) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in WORDS:
        return True
    if isinstance(node, ast.Slice) and _integer(node.upper) >= TEXT:
        return True
    if in_class and not isinstance(node, ast.FunctionDef):
        return True  # columns, fields and their defaults are bound when the class is made
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if not isinstance(node, ast.Expr):
        return False
    # A row that is only locked: workers that race on Postgres notice, one test after the other on SQLite cannot.
    locks = any(isinstance(one, ast.Attribute) and one.attr == "select_for_update" for one in ast.walk(node.value))
    return locks or isinstance(node.value, ast.Constant) or _talks(node.value)


def _integer(node: ast.expr | None) -> int:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else 0


def _talks(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    root = node.func.value
    return isinstance(root, ast.Name) and (root.id in TALK or (root.id == "states" and node.func.attr == "note"))


def _at(tree: ast.AST, path: Path) -> ast.AST:
    node = tree
    for field, number in path:
        value = getattr(node, field)
        node = value[number] if number >= 0 else value
    return node


def _replace(tree: ast.AST, path: Path, new: ast.AST) -> None:
    field, number = path[-1]
    parent = _at(tree, path[:-1])
    if number >= 0:
        getattr(parent, field)[number] = new
    else:
        setattr(parent, field, new)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    text = _short(node)
    if isinstance(node, ast.Compare):
        for number, op in enumerate(node.ops):
            for other in OPERATORS.get(type(op), ()):
                yield f"{text}: {type(op).__name__} -> {other.__name__}", _set_op(number, other)
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign):
        for other in OPERATORS.get(type(node.op), ()):
            yield f"{text}: {type(node.op).__name__} -> {other.__name__}", _set_attribute("op", other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"{text}: {type(node.op).__name__} dropped", lambda tree, path: _replace(tree, path, _operand(tree, path))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{text} -> {not node.value}", _constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield f"{text} -> {node.value + 1}", _constant(node.value + 1)
        if node.value > 1:
            yield f"{text} -> {node.value * 1000}", _constant(node.value * 1000)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        yield f"{text}: {node.func.id} -> {CALLS[node.func.id]}", _call(CALLS[node.func.id])
    elif isinstance(node, ast.If | ast.IfExp):
        yield f"if {_short(node.test)}: never", _test(False)
        yield f"if {_short(node.test)}: always", _test(True)
    elif isinstance(node, ast.While):
        yield f"while {_short(node.test)}: never", _test(False)
    elif isinstance(node, ast.comprehension):
        for number, value in enumerate(node.ifs):
            yield f"if {_short(value)}: dropped from for {_short(node.target)}", _without("ifs", number)
    if isinstance(node, ast.BoolOp):
        for number, value in enumerate(node.values):
            yield f"{_short(value)}: dropped from {text}", _without("values", number)
    if isinstance(node, ast.Call) and _name(node.func) in NARROWING:
        for number, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                yield f"{keyword.arg}: dropped from {text}", _without("keywords", number)


def _removal(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, Change]]:
    """A statement left out. Neither a variable nor the last word of a function: what needs them would fail at once and prove nothing."""
    if isinstance(parent, ast.If) and parent.body == [node] and not parent.orelse:
        return  # the same as a condition that is never true
    if isinstance(node, ast.Assign):
        removable = isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    elif isinstance(node, ast.Return):
        removable = not (isinstance(parent, ast.FunctionDef) and parent.body[-1] is node)
    else:
        removable = isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)
    if removable:
        yield f"{_short(node)}: removed", lambda tree, path: _replace(tree, path, ast.Pass())


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _without(field: str, number: int) -> Change:
    """One of several left out; the last but one of an ``and`` or ``or`` stands alone."""

    def change(tree: ast.Module, path: Path) -> None:
        items = getattr(_at(tree, path), field)
        del items[number]
        if field == "values" and len(items) == 1:
            _replace(tree, path, items[0])

    return change


def _operand(tree: ast.AST, path: Path) -> ast.AST:
    node = _at(tree, path)
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _set_op(number: int, other: type[ast.AST]) -> Change:
    def change(tree: ast.Module, path: Path) -> None:
        node = _at(tree, path)
        assert isinstance(node, ast.Compare)
        node.ops[number] = other()  # type: ignore[call-overload]  # one of OPERATORS' comparisons

    return change


def _set_attribute(name: str, other: type[ast.AST]) -> Change:
    return lambda tree, path: setattr(_at(tree, path), name, other())


def _constant(value: object) -> Change:
    return lambda tree, path: setattr(_at(tree, path), "value", value)


def _call(name: str) -> Change:
    return lambda tree, path: setattr(_at(tree, path), "func", ast.Name(name, ast.Load()))


def _test(value: bool) -> Change:
    return lambda tree, path: setattr(_at(tree, path), "test", ast.Constant(value))


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:90]
