"""``--help`` of every program of the project says what each argument is for, under the name by which a person starts it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench import __main__ as command

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("bench", "kalbot", "markets", "strategies", "trading", "triage", "backtest", "simulator", "tests")


def _calls(source: str, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and name == getattr(node.func, "attr", getattr(node.func, "id", "")):
            yield node


def _unsaid(source: str) -> list[str]:
    """Arguments without a word; what passes on its keywords is believed."""
    return [
        ast.unparse(call.args[0])
        for call in _calls(source, "add_argument")
        if not {keyword.arg for keyword in call.keywords} & {"help", None}
    ]


def test_every_argument_of_every_program_is_explained() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    sources = {path: source for path in paths if "add_argument(" in (source := path.read_text())}
    assert len(sources) > 50
    assert {
        str(path.relative_to(ROOT)): unsaid for path, source in sources.items() if (unsaid := _unsaid(source))
    } == {}


def test_an_argument_without_a_word_is_found() -> None:
    assert _unsaid('parser.add_argument("--runs", type=int)\nparser.add_argument("--legs", help="legs")') == [
        "'--runs'"
    ]


@pytest.mark.parametrize("name", sorted(command.names()))
def test_every_benchmark_takes_its_arguments_under_its_name(name: str) -> None:
    source = (ROOT / "bench" / f"{name}.py").read_text()
    (main,) = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert [argument.arg for argument in main.args.args] == ["argv"]
    assert isinstance(main.returns, ast.Name)
    assert main.returns.id == "int"
    for call in _calls(source, "ArgumentParser"):
        assert {keyword.arg: keyword.value for keyword in call.keywords}["prog"].value == f"bin/bench {name}"  # type: ignore[attr-defined]
