"""Private vocabulary: words that this project once used in senses of its own, and that a stranger cannot guess.

``python -m tests.style.vocabulary [PATH ...]`` lists what is left, one ``path:line: word: text`` a hit. Identifiers are split at
underscores and capitals. Recorded data, the exchange's own texts and ordinary compounds ("look-ahead", "background") do not count.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]

PRIVATE: Final = frozenset(
    {
        *("room", "rooms", "door", "doors", "house", "houses", "ground", "grounds", "deck", "decks"),
        *("look", "looks", "looked", "looking", "tell", "tells", "told", "telling", "asked", "asking"),
        *("wish", "wishes", "wished", "wishing", "doubt", "doubts", "doubted", "doubtful"),
        *("standing", "anew", "dear", "dearer", "dearest", "deed", "deeds"),
    }
)
"""``ask`` itself is a price, and ``floor`` the least that a basket pays: both stay."""

COMPOUNDS: Final = re.compile(
    r"look-?ahead|look-?ups?\b|look(?:s|ed|ing)? (?:it |them )?up\b|look(?:s|ed|ing)? like|look and feel|back-?grounds?"
    r"|ground truth|in-house|White House|House of Representatives|long-?standing|greenhouse|warehouse|house-?keeping",
    re.IGNORECASE,
)
SUFFIXES: Final = frozenset({".py", ".md", ".html", ".js", ".css", ".sh", ".yml", ".yaml", ".toml", ".txt", ".cfg"})
DATA: Final = (
    "/migrations/",
    "tests/data/",
    "simulator/data/",
    "tests/style/vocabulary.py",
    "tests/style/test_vocabulary.py",
    "docs/screenshots/",
    "/data/",
    "/static/console/vendor/",
    "requirements",
)
WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
EXEMPT: Final = "vocabulary: "
"""A line (or the one before it) with this comment quotes somebody else, and says whom."""


class Hit(NamedTuple):
    """One private word in one line."""

    path: str
    line: int
    word: str
    text: str


def tracked() -> list[str]:
    """Text files of the project, without data."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = listed.stdout.split("\n")
    return [
        name
        for name in names
        if _suffix(name) and not any(part in f"/{name}" or name.startswith(part) for part in DATA)
    ]


def _suffix(name: str) -> bool:
    path = Path(name)
    return path.suffix in SUFFIXES or (bool(name) and path.parent.name == "bin")


def words_of(text: str) -> Iterator[str]:
    """The words of a line, lower case, identifiers taken apart."""
    for match in WORD.finditer(COMPOUNDS.sub(" ", text)):
        yield match.group().lower()


def hits(names: Iterable[str]) -> Iterator[Hit]:
    """Every private word that is left in these files."""
    for name in names:
        path = ROOT / name
        if not path.is_file():
            continue
        before = ""
        for number, text in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if EXEMPT not in text and EXEMPT not in before:
                for word in sorted({word for word in words_of(text) if word in PRIVATE}):
                    yield Hit(name, number, word, text.strip()[:140])
            before = text


def main(arguments: list[str]) -> int:
    """List the hits below the given paths."""
    chosen = [
        name for name in tracked() if not arguments or any(name.startswith(prefix.rstrip("/")) for prefix in arguments)
    ]
    found = list(hits(chosen))
    for hit in found:
        print(f"{hit.path}:{hit.line}: {hit.word}: {hit.text}")
    print(f"{len(found)} private words in {len({hit.path for hit in found})} of {len(chosen)} files", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
