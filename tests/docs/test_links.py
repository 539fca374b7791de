"""Relative links and cited files of the documents exist, and citations of the protocol name a section of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "simulator/README.md"])
LINK: Final = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CITATION: Final = re.compile(r"kalshi-protocol\.md (\d+(?:\.\d+)?)")
CITED_FILE: Final = re.compile(r"`((?:kalbot|markets|strategies|trading|triage|simulator|bin|docs)/[\w/.-]+)`")

EXAMPLES: Final = frozenset({"triage/sources/desk.py"})
"""Files that a page has the reader write."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_a_page_exist(page: Path) -> None:
    for target in set(CITED_FILE.findall(page.read_text())) - EXAMPLES:
        assert (ROOT / target).exists(), f"{page.name}: {target}"


def test_citations_of_the_protocol_name_a_section() -> None:
    page = (ROOT / "docs/kalshi-protocol.md").read_text()
    sections = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", page, re.MULTILINE))
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cited = {number for name in tracked.split() for number in CITATION.findall((ROOT / name).read_text())}
    assert cited, "nothing cites the protocol"
    assert cited <= sections


def test_tests_named_in_failures_and_in_the_protocol_exist() -> None:
    page = "".join((ROOT / "docs" / name).read_text() for name in ("failures.md", "kalshi-protocol.md"))
    sources = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    named = set(re.findall(r"(?:::|`)(test_\w+)`", page))
    defined = {name for text in sources for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    assert named <= defined, named - defined
    guards = {name for line in re.findall(r'guards? ("[^|;`]+")', page) for name in re.findall(r'"([^"]+)"', line)}
    assert guards
    assert [name for name in guards if not any(f'"{name}"' in text for text in sources)] == []
