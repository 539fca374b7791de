"""The simulator's modules import in one direction: from records and books up to the exchange, then REST, WebSocket and control."""

from __future__ import annotations

import grimp
import pytest

LOWER_TO_UPPER = [
    # (lower, upper): the lower one must not reach the upper one
    ("simulator.core", "simulator.exchange"),
    ("simulator.matching", "simulator.exchange"),
    ("simulator.listing", "simulator.exchange"),
    ("simulator.exchange", "simulator.rest"),
    ("simulator.exchange", "simulator.control"),
    ("simulator.exchange", "simulator.server"),
    ("simulator.ws.hub", "simulator.exchange"),
    ("simulator.ws.session", "simulator.ws.hub"),
    ("simulator.accounts.ledger", "simulator.core"),
]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """All imports, those for type checking included."""
    return grimp.build_graph("simulator", cache_dir=None)


def test_no_module_imports_itself_through_others(graph: grimp.ImportGraph) -> None:
    circular = {
        module: chain
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if (chain := graph.find_shortest_chain(importer=imported, imported=module))
    }
    assert circular == {}


@pytest.mark.parametrize("lower, upper", LOWER_TO_UPPER)
def test_a_lower_module_does_not_reach_an_upper_one(graph: grimp.ImportGraph, lower: str, upper: str) -> None:
    assert graph.find_shortest_chains(importer=lower, imported=upper) == set()
