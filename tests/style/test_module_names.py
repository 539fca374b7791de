"""Test files whose folders are no packages have names of their own: pytest can import only one of each."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_files_outside_packages_have_different_names() -> None:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in TESTS.rglob("*.py"):
        if not (path.parent / "__init__.py").exists():
            found[path.name].append(path.relative_to(TESTS))
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert not {name: paths for name, paths in twice.items() if name != "conftest.py"}
