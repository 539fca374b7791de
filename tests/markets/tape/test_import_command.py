"""``tape import`` of the wrong folder, kind or name says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with one recorded set."""
    (tmp_path / "crypto15m").mkdir()
    (tmp_path / "crypto15m" / "KXETH15M_raw_snapshots.jsonl").write_text("{}\n")
    return tmp_path


def refusal(*arguments: object) -> str:
    with pytest.raises(CommandError) as found:
        call_command("tape", "import", *map(str, arguments))
    return str(found.value)


def test_a_source_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    assert "there is no file or folder" in refusal("recorded", tmp_path / "nowhere", tmp_path / "tapes")


def test_the_folder_above_is_named_where_the_folder_of_one_kind_was(recordings: Path) -> None:
    says = refusal("crypto15m", recordings / "crypto15m", recordings / "tapes")
    assert f"{recordings} does" in says


def test_another_kind_that_is_there_is_named(recordings: Path) -> None:
    assert "of the kind crypto15m" in refusal("winners", recordings, recordings / "tapes").partition("; ")[2]


def test_a_name_that_no_part_has_is_answered_with_their_names(recordings: Path) -> None:
    says = refusal("crypto15m", recordings, recordings / "tapes", "--only", "zzz")
    assert "'zzz'" in says
    assert "KXETH15M" in says.partition("are called")[2]
