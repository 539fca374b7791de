"""docs/configuration.md lists exactly the settings that kalbot/settings.py reads, with their types and defaults."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TYPES: Final = {
    "str": "text",
    "int": "integer",
    "list": "list",
    "db_url": "text",
    "boolean": "boolean",
    "address": "text",
    "positive": "positive number",
    "whole_seconds": "seconds",
}
ROW: Final = re.compile(r"^\| `([A-Z_]+)` \| ([a-z ]+) \| (.+?) \| .+ \|$", re.MULTILINE)


def constant(node: ast.expr) -> str | None:
    """A literal default as the page writes it (products of integers included); None for what is computed."""
    if isinstance(node, ast.Constant):
        value = ast.literal_eval(node)
        return "none" if value is None else f"`{value}`" if value != "" else "empty"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = node.left, node.right
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            return f"`{int(str(left.value)) * int(str(right.value))}`"
    return None


def settings_read() -> dict[str, tuple[str, str | None]]:
    """Name -> (type, default or None when it is computed) of every setting that the module reads."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(ast.parse((ROOT / "kalbot/settings.py").read_text())):
        if isinstance(node, ast.DictComp) and "whole_seconds" in ast.dump(node):
            for name in ast.walk(node.generators[0].iter):
                if isinstance(name, ast.Constant):
                    found[str(name.value)] = ("seconds", "none")
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "env":
            kind = function.attr
        elif isinstance(function, ast.Name) and function.id in TYPES:
            kind = function.id
        else:
            continue
        if kind == "db_url":
            continue  # the same name as text, read again
        default = constant(node.args[1]) if len(node.args) > 1 else None
        found[str(node.args[0].value)] = (TYPES[kind], default)
    return found


def settings_documented() -> dict[str, tuple[str, str]]:
    """Name -> (type, default) as the page says."""
    rows = ROW.findall((ROOT / "docs/configuration.md").read_text())
    assert len({name for name, _, _ in rows}) == len(rows), "a setting is listed twice"
    return {name: (kind, default) for name, kind, default in rows}


def test_every_setting_is_documented_and_no_other() -> None:
    assert settings_documented().keys() == settings_read().keys()
    assert len(settings_read()) > 40


def test_types_and_literal_defaults_are_those_of_the_code() -> None:
    documented = settings_documented()
    for name, (kind, default) in settings_read().items():
        assert documented[name][0] == kind, name
        if default is not None:
            assert documented[name][1] == default, name


def test_variables_of_the_example_file_exist() -> None:
    names = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    known = settings_read().keys() | {f"{name}_FILE" for name in settings_read()}
    assert set(names) - known == {"KALBOT_UID", "KALBOT_GID"}  # for compose alone
