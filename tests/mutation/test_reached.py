"""What is kept of earlier runs: lines that moved, files that changed, a run that was killed."""

from __future__ import annotations

from pathlib import Path

from tests.mutation import reached
from tests.mutation.reached import Reached

BEFORE = """def first(value):
    if value > 3:
        return 1
    return 0


def second(value):
    return value + 1
"""
LINES = {1: ["a::one", "a::two"], 2: ["a::one"], 3: ["a::one"], 4: ["a::one"], 8: ["a::two", "b::three"]}


def test_lines_that_moved_keep_their_tests_and_new_ones_take_those_of_their_function() -> None:
    after = BEFORE.replace("    return value + 1", "    value += 2\n    return value").replace(
        "def first", "LIMIT = 3\n\n\ndef first"
    )
    found = reached.moved(LINES, BEFORE, after)
    assert {line - 3: names for line, names in found.items() if line < 8} == {n: LINES[n] for n in (1, 2, 3, 4)}
    assert 1 not in found  # outside every function nothing is known
    inside = reached.moved(LINES, BEFORE, BEFORE.replace("    return 0", "    value -= 1\n    return 0"))
    assert inside[4] == ["a::one", "a::two"]
    assert inside[5] == ["a::one"]
    assert inside[9] == ["a::two", "b::three"]


def _kept(root: Path) -> Reached:
    root.joinpath("a").write_text("a")
    root.joinpath("b").write_text("b")
    found = Reached()
    names = ["a::one", "a::two", "b::three"]
    assert reached.refresh(found, root, {"m.py": BEFORE}, names) == names
    found.learn(Reached(dict.fromkeys(names, 1.0), ["b::three"], {"m.py": dict(LINES)}))
    return found


def test_only_new_tests_and_those_of_changed_files_are_measured_again(tmp_path: Path) -> None:
    found = _kept(tmp_path)
    names = ["a::one", "a::two", "b::three"]
    assert reached.refresh(found, tmp_path, {"m.py": BEFORE}, names) == []
    assert reached.refresh(found, tmp_path, {"m.py": BEFORE}, [*names, "a::four"]) == ["a::four"]
    tmp_path.joinpath("a").write_text("changed")
    assert reached.refresh(found, tmp_path, {"m.py": BEFORE}, names) == ["a::one", "a::two"]
    assert found.tests["m.py"][8] == ["b::three"]
    assert found.failed == ["b::three"]
    tmp_path.joinpath("b").unlink()
    reached.refresh(found, tmp_path, {"m.py": BEFORE}, [])
    assert not found.failed
    assert not found.seconds


def test_what_is_learned_takes_the_place_of_what_was_known_and_comes_back_from_its_file(tmp_path: Path) -> None:
    found = _kept(tmp_path)
    found.learn(Reached({"a::one": 2.0}, [], {"m.py": {7: ["a::one"]}}))
    assert found.tests["m.py"][7] == ["a::one"]
    assert found.tests["m.py"][1] == ["a::two"]
    assert found.seconds["a::one"] == 2.0
    kept = tmp_path / ".test" / "reached.json"
    found.write(kept)
    assert reached.read(kept) == found
    assert not list(kept.parent.glob("*.part"))
    assert reached.read(tmp_path / "none.json") == Reached()
