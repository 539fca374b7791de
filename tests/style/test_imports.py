"""No import cycle inside a package: a module can be read, tested and moved without the modules that use it.

Imports inside functions count; those under ``if TYPE_CHECKING`` do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import grimp
import pytest

PACKAGES: Final = ("backtest", "kalbot", "markets", "simulator", "strategies", "trading", "triage")


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGES[0], *PACKAGES[1:], exclude_type_checking_imports=True, cache_dir=None)


def _edges(package: str) -> dict[str, set[str]]:
    graph = _graph()
    names = {name for name in graph.modules if name == package or name.startswith(f"{package}.")}
    return {
        name: {other for other in graph.find_modules_directly_imported_by(name) if other in names} for name in names
    }


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, by Tarjan's algorithm; and nodes that import themselves."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(edges[node]):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1 or node in edges[node]:
                found.append(sorted(component))

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    assert cycles(_edges(package)) == []


def test_a_cycle_is_found_and_a_diamond_is_none() -> None:
    assert cycles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]


def test_the_graph_sees_imports_inside_functions() -> None:
    assert "kalbot.celery" in _edges("kalbot")["kalbot.console.apps"]
