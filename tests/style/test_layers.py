"""Lower packages read no table of a higher one, not even through the name of a reverse relation.

import-linter sees imports only. Django also lets a lower package filter by the relations that a higher package's models add to
its own: those are found here, in strings, keyword arguments and attributes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.apps import apps
from django.db.models import ForeignObjectRel

ROOT: Final = Path(__file__).resolve().parents[2]
LAYERS: Final = ("markets", "strategies", "trading", "triage", "console")
"""Application labels, bottom to top."""
LOOKUPS: Final = frozenset(
    {
        *(
            "filter",
            "exclude",
            "get",
            "aggregate",
            "annotate",
            "alias",
            "values",
            "values_list",
            "order_by",
            "only",
            "defer",
        ),
        *(
            "select_related",
            "prefetch_related",
            "Q",
            "F",
            "Sum",
            "Count",
            "Max",
            "Min",
            "Avg",
            "Exists",
            "Prefetch",
            "distinct",
        ),
    }
)


def upward_relations(label: str) -> dict[str, str]:
    """Names under which models of ``label`` reach models of a higher layer -> the higher model."""
    above = LAYERS[LAYERS.index(label) + 1 :]
    found: dict[str, str] = {}
    for model in apps.get_app_config(label).get_models():
        for relation in model._meta.get_fields():
            if isinstance(relation, ForeignObjectRel) and relation.related_model._meta.app_label in above:
                target = relation.related_model._meta.label
                found[relation.name] = target
                if relation.get_accessor_name():
                    found[str(relation.get_accessor_name())] = target
    return found


def lookups(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every field name of every lookup: keywords and strings in calls of the ORM, and any string that is written like one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_path(node.value):
            yield from ((node.lineno, part) for part in node.value.lstrip("-").split("__"))
        if isinstance(node, ast.Call) and _name(node.func) in LOOKUPS:
            for keyword in node.keywords:
                yield from ((node.lineno, part) for part in (keyword.arg or "").split("__"))
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield from ((node.lineno, part) for part in argument.value.lstrip("-").split("__"))


def _is_path(text: str) -> bool:
    return "__" in text and text.lstrip("-").replace("_", "").isalnum()


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def crossings(source: str, names: dict[str, str]) -> list[str]:
    """``line: relation -> model`` for every lookup in ``source`` that crosses upwards."""
    return [f"{line}: {part} -> {names[part]}" for line, part in lookups(ast.parse(source)) if part in names]


def test_no_package_reads_a_higher_packages_table_through_a_reverse_relation() -> None:
    found = []
    for label in LAYERS[:-1]:
        names = upward_relations(label)
        for path in sorted((ROOT / label).rglob("*.py")):
            if "migrations" not in path.parts:
                found += [
                    f"{path.relative_to(ROOT)}:{hit}" for hit in crossings(path.read_text(encoding="utf-8"), names)
                ]
    assert not found, "\n".join(found)


def test_the_check_finds_relations_in_keywords_strings_and_expressions() -> None:
    names = upward_relations("strategies")
    assert names["position"] == "trading.Position"
    assert names["denial"] == "trading.Denial"
    for source in (
        'Decision.objects.filter(position__status__in=["closed"])',
        "Q(denial__isnull=True)",
        'COLUMN = "position__cost"',
        'rows.select_related("position")',
        'rows.order_by("-position__ended_at")',
        'F("position__reserved")',
    ):
        assert crossings(source, names), source
    assert not crossings('rows.filter(event__is_open=True).values_list("profile_id")', names)
