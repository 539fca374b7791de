"""A changed module put into a running process: the code of its functions and the values of its constants are exchanged in place.

Nothing is imported again, so that classes stay the same objects and whoever holds a function holds the changed one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any


def put(module: ModuleType, old: ast.Module, new: ast.Module) -> None:
    """Make ``module`` (whose source reads as ``old``) behave as ``new``."""
    codes = dict(_codes(compile(new, module.__file__ or "mutant", "exec")))
    for function in set(_functions(module)):
        changed = codes.get(function.__code__.co_qualname)
        if changed is not None and changed.co_freevars == function.__code__.co_freevars:
            function.__code__ = changed
    for before, after in zip(old.body, new.body, strict=True):
        if isinstance(after, ast.Assign | ast.AnnAssign) and ast.dump(before) != ast.dump(after):
            _rebind(module, after)


def forget_cached(package: str) -> None:
    """Empty the caches of all functions of ``package``: a statement that was built from the old code would hide the new one."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and hasattr(value, "__wrapped__"):
                    value.cache_clear()


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner.co_qualname, inner
            if not inner.co_flags & 0x2:  # a class body: its functions are within it
                yield from _codes(inner)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        members = list(vars(value).values()) if isinstance(value, type) else [value]
        for member in members:
            yield from _unwrapped(member)


def _unwrapped(member: Any) -> Iterator[FunctionType]:
    if isinstance(member, property):
        member = member.fget
    if isinstance(member, cached_property):
        member = member.func
    while member is not None:
        member = getattr(member, "__func__", member)
        if hasattr(member, "cache_clear"):
            member.cache_clear()
        if isinstance(member, FunctionType) and not member.__code__.co_filename.startswith(
            "<"
        ):  # a class's generated one
            yield member
        member = getattr(member, "__wrapped__", None)


def _rebind(module: ModuleType, statement: ast.Assign | ast.AnnAssign) -> None:
    """Evaluate a module's assignment once more, here and in every module that imported the name."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    before = {name: getattr(module, name) for name in names}
    exec(compile(ast.Module([statement], []), module.__file__ or "mutant", "exec"), vars(module))
    for name in names:
        for other in list(sys.modules.values()):
            if other is not module and getattr(other, name, None) is before[name] and hasattr(other, "__file__"):
                setattr(other, name, getattr(module, name))
