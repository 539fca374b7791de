"""Every reason for a verdict is made by some code, has one sentence, and reaches the page that explains it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalbot.console.pages.strategy import why
from strategies.models import Profile
from strategies.reasons import Reason, sentence_of

ROOT = Path(__file__).resolve().parents[2]
MADE_FROM_PRICES = {Reason.DEAD_EPOCH, Reason.SUSPECT, Reason.NOT_ACTIVE}
"""Made by value from the codes of ``EventPrices.usable``."""
RESULTS = {"Miss", "Refused", "missed", "_below", "_above", "_money", "_ppm"}


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "strategies").rglob("*.py")):
        if path.name != "reasons.py" and "migrations" not in path.parts:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_reason_has_a_sentence_of_its_own_and_no_code_has_none() -> None:
    sentences = [reason.sentence for reason in Reason]
    assert all(sentences)
    assert len(set(sentences)) == len(sentences)
    assert all(sentence_of(reason.value) == reason.sentence for reason in Reason)
    assert sentence_of("no such code") == ""


def test_every_reason_is_made_somewhere() -> None:
    used = {
        node.attr
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert {reason.name for reason in Reason} - used == {reason.name for reason in MADE_FROM_PRICES}


def test_no_result_is_made_with_a_bare_string_as_its_reason() -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in RESULTS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]
    assert not bare


def test_every_code_of_unusable_prices_is_a_reason() -> None:
    tree = ast.parse((ROOT / "markets/prices/recorded.py").read_text(encoding="utf-8"))
    functions = [
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in ("usable", "silent", "_unusable")
    ]
    codes = {
        node.value
        for function in functions
        for returned in ast.walk(function)
        if isinstance(returned, ast.Return) and returned.value is not None
        for node in ast.walk(returned.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {"dead_epoch", "stale", "no_book", "suspect", "not_active"} <= codes
    assert codes - {"no_side"} <= {reason.value for reason in Reason}


@pytest.mark.django_db
def test_the_funnel_explains_every_reason() -> None:
    rejected = dict.fromkeys((reason.value for reason in Reason), 1)
    steps = why.steps(Profile(pk=1), len(rejected), rejected)
    assert [step["code"] for step in steps] == [reason.value for reason in Reason]
    assert [step["says"] for step in steps] == [reason.sentence for reason in Reason]
