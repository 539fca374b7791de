"""The words of grades come from one enum, and pages, exports, logs and answers say of a basket no more than its grade."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from django.test import Client
from django.urls import reverse

from markets.terms.grades import Grade
from markets.terms.special_settlements import IN_NO_GRADE
from strategies.models import Decision
from trading.models import Position

pytestmark = pytest.mark.alike

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("kalbot", "markets", "strategies", "trading", "triage", "backtest")
ENUM: Final = "markets/terms/grades.py"
OTHERS: Final = {
    "kalbot/console/admin/trading/positions.py": "a column that exports leave out for the grade",
    "kalbot/console/admin/decisions.py": "a column that exports leave out for the grade",
    "kalbot/console/pages/home/first_run.py": "what the grades ask for",
    "strategies/profiles/presets.py": "what no grade can promise",
    "kalbot/console/ui/markup.py": "colours of the labels",
    "strategies/profiles/seeds.py": "what a bet is not",
    "strategies/models/decision.py": "a column and its constraint",
    "strategies/models/profile.py": "the limit of a margin",
    "trading/accounting/position_booking.py": "a column",
    "markets/models/terms.py": "what a wrong clause would make false",
}
"""Modules that may have the word in a string, and why."""
MORE_THAN_DETERMINED: Final = re.compile(r"guaranteed(?! if determined)", re.IGNORECASE)
CHOICES: Final = re.compile(
    r"<(select|script|style|datalist)\b.*?</\1>|<(?:input|label|button)\b[^>]*>|<(?:a|div|li)[^>]*(?:filter|grade__)[^>]*>[^<]*",
    re.DOTALL,
)


def strings(tree: ast.Module) -> Iterator[str]:
    """Every string of a module but its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    after = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | after:
            yield node.value


def test_the_word_stands_in_the_enum_and_nowhere_else() -> None:
    said = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts and _says(path.read_text())
    }
    templates = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.html")
        if "guarantee" in path.read_text().lower()
    }
    assert said == {ENUM, *OTHERS}
    assert templates == set()


def _says(source: str) -> bool:
    return "guarantee" in source.lower() and any("guarantee" in text.lower() for text in strings(ast.parse(source)))


def visible(page: str) -> str:
    return CHOICES.sub(" ", page)


def addresses(sample: dict[str, Any]) -> Iterator[str]:
    for model in (
        "trading_position",
        "strategies_decision",
        "markets_certificate",
        "markets_event",
        "strategies_verdict",
    ):
        yield reverse(f"admin:{model}_changelist")
    for held in Position.objects.order_by("pk")[:4]:
        yield reverse("admin:trading_position_change", args=[held.pk])
        yield reverse("admin:position_progress", args=[held.pk])
    for decision in Decision.objects.order_by("pk")[:2]:
        yield reverse("admin:strategies_decision_change", args=[decision.pk])
    yield from (reverse(f"admin:{name}") for name in ("index", "why", "shadows"))
    yield reverse("admin:why_event", args=[sample["events"][0].pk])
    yield from (
        reverse("admin:dashboard_part", args=[part]) for part in ("glance", "modes", "positions", "nearest", "alerts")
    )


def test_no_page_says_more_of_a_basket_than_its_grade(sample: dict[str, Any], login: Callable[..., Client]) -> None:
    client, wrong, said = login(), [], 0
    alone = []
    assert {position.grade for position in Position.objects.all()} == {Grade.IF_DETERMINED.value}
    for address in addresses(sample):
        text = visible(client.get(address).content.decode())
        if Grade.IF_DETERMINED.label in text.lower():
            said += 1
            alone += [address] if "<html" in text and IN_NO_GRADE not in text else []
        wrong += [(address, text[max(0, m.start() - 60) : m.end() + 20]) for m in MORE_THAN_DETERMINED.finditer(text)]
    assert wrong == []
    assert alone == []  # what is in no grade stands beside it
    assert said > 5
