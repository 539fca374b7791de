"""Mutations that no test notices and why that is right: they change nothing that can be observed, or only what the reason says.

``what`` is the mutation as ``bin/mutants`` prints it. Where the code moves on, an entry that fits nothing any more fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutation.mutants import Mutant


@dataclass(frozen=True, slots=True)
class Survivor:
    """One mutation of ``function`` (as the mutant's ``qualname``) in ``path``."""

    path: str
    function: str
    what: str
    reason: str


SURVIVORS: tuple[Survivor, ...] = ()


def reason(mutant: Mutant) -> str:
    """Why the mutant need not be noticed; empty where a test is wanted."""
    for one in SURVIVORS:
        if (one.path, one.function, one.what) == (mutant.module, mutant.qualname, mutant.what):
            return one.reason
    return ""
