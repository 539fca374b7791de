"""The graph of each family, made once a process and kept as long as its atoms are the same."""

from __future__ import annotations

from typing import Final

from markets.terms.atoms import Atoms
from strategies.families.screen import Graph

_MOST: Final = 2_000
_known: dict[str, tuple[Atoms, Graph]] = {}


def of(family: str, atoms: Atoms) -> Graph:
    """The graph of ``atoms``. Prices that moved little since it was last solved are judged in a few turns."""
    known = _known.get(family)
    if known is not None and (known[0] is atoms or known[0] == atoms):
        return known[1]
    if len(_known) >= _MOST:
        _known.clear()
    graph = Graph(atoms)
    _known[family] = atoms, graph
    return graph
