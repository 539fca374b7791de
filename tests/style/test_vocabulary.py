"""No private word is left in names, messages, templates, comments and pages."""

from __future__ import annotations

import pytest

from . import vocabulary


def test_no_private_word_is_left() -> None:
    found = [f"{hit.path}:{hit.line}: {hit.word}: {hit.text}" for hit in vocabulary.hits(vocabulary.tracked())]
    assert not found, "\n".join(found[:40])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("def look_at(market): ...", ["look"]),
        ("class TheDoor:", ["door"]),
        ("if anyDoubt:", ["doubt"]),
        ("the look-ahead check; a dictionary lookup; it looks like a gap; background", []),
        ("a price ask, the floor of a basket", []),
    ],
)
def test_identifiers_are_taken_apart_and_compounds_are_left_alone(line: str, words: list[str]) -> None:
    assert [word for word in vocabulary.words_of(line) if word in vocabulary.PRIVATE] == words
