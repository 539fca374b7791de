"""Denial codes: one enum, one sentence each, used wherever trading refuses; nothing hangs on the wording."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from markets.prices import recorded
from trading import denials
from trading.denials import SENTENCES, DenialCode, Denied, Refusal
from trading.execution.orders import sell_ladder
from trading.models import Denial, Position

ROOT: Final = Path(__file__).resolve().parents[2]
MADE_OF_CODES: Final = {"Refusal", "Denied", "CannotExit"}
CODES: Final = {code.value for code in DenialCode}
TEXTS: Final = frozenset({"mode", "kind", "certificate", "shards", "reducing", "halted", "capital", "ended", "denied"})
"""Codes that are also ordinary names of columns, states and accounts."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of trading, and those of the console and triage."""
    for package in ("trading", "kalbot/console", "triage"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts and path.name != "denials.py":
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_code_has_one_sentence_and_every_sentence_a_code() -> None:
    assert set(SENTENCES) == set(DenialCode)
    assert len(set(SENTENCES.values())) == len(SENTENCES)
    for code in DenialCode:
        assert code.sentence.endswith(".")
        assert code.sentence[0].isupper()
        assert code.value not in code.sentence.split() or code.value in TEXTS


def test_every_code_is_used_by_trading() -> None:
    used = {
        node.attr
        for path, tree in modules()
        if path.is_relative_to(ROOT / "trading")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "DenialCode"
    }
    by_prices = {code.name for code in denials._PRICE_CODES.values()} | {"PRICE_UNUSABLE"}
    assert {code.name for code in DenialCode} == used | by_prices


def test_a_refusal_is_never_made_of_a_bare_string() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in MADE_OF_CODES
        and node.args
        and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
    ]
    assert not bare


def test_no_code_is_written_out_as_a_string() -> None:
    written = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path, tree in modules()
        if path.is_relative_to(ROOT / "trading")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in CODES - TEXTS
    ]
    assert not written


def test_every_reason_of_the_prices_has_a_code_of_its_own() -> None:
    source = ast.parse(Path(recorded.__file__).read_text(encoding="utf-8"))
    functions = [
        node
        for node in ast.walk(source)
        if isinstance(node, ast.FunctionDef) and node.name in ("usable", "silent", "_unusable")
    ]
    returned = {
        text.value
        for function in functions
        for statement in ast.walk(function)
        if isinstance(statement, ast.Return) and statement.value is not None
        for text in ast.walk(statement.value)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    }
    assert returned == set(denials._PRICE_CODES)
    assert len(set(denials._PRICE_CODES.values())) == len(returned)


def test_an_unknown_reason_of_the_prices_is_a_refusal_too() -> None:
    assert denials.of_prices("something new") is DenialCode.PRICE_UNUSABLE
    assert DenialCode.PRICE_UNUSABLE.is_feed_outage


@pytest.mark.parametrize(
    ("error_code", "code"),
    [
        ("market_inactive", DenialCode.MARKET_CLOSED),
        ("price_stale", DenialCode.PRICE_STALE),
        ("insufficient_balance", DenialCode.SALE_NEEDS_FUNDS),
        ("insufficient_funds", DenialCode.ORDER_REFUSED),
        ("capital", DenialCode.ORDER_REFUSED),
    ],
)
def test_a_venue_that_refuses_every_sale_says_by_its_code_what_follows(error_code: str, code: DenialCode) -> None:
    assert sell_ladder.refused_sales(error_code).code is code


def test_a_denial_carries_its_refusal() -> None:
    denied = Denied(DenialCode.CAPITAL, "$5 are not free")
    assert denied.refusal == Refusal(DenialCode.CAPITAL, "$5 are not free")
    assert (denied.code, str(denied)) == (DenialCode.CAPITAL, "capital: $5 are not free")


def test_rows_show_the_sentence_of_their_code() -> None:
    assert Denial(code=DenialCode.DEPTH).get_code_display() == DenialCode.DEPTH.sentence
    assert Position(residual_code=DenialCode.NO_BID).get_residual_code_display() == DenialCode.NO_BID.sentence
