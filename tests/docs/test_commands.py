"""Every command that a document names can be run as it is written: the command exists, and so does each of its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from django.core.management import get_commands, load_command_class

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PAGES: Final = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "kalbot" / "console" / "templates").rglob("*.html"),
]
SPAN: Final = re.compile(r"manage\.py ([a-z_]+)([^`#;|\n<]*)")
OPTION: Final = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
SCRIPT: Final = re.compile(r"(?<![\w./-])bin/([a-z][\w-]*)")
WITHOUT_DJANGO: Final = {"alive"}
"""Commands that ``manage.py`` runs by itself, before anything is loaded."""
NOT_OURS: Final = {"python", "pip", "pytest", "activate"}
"""What else stands in a ``bin``."""


@cache
def options_of(command: str) -> frozenset[str]:
    """The options of a management command."""
    app = get_commands()[command]
    loaded = app if not isinstance(app, str) else load_command_class(app, command)
    return frozenset(loaded.create_parser("manage.py", command)._option_string_actions)


@cache
def needed_by(command: str) -> frozenset[str]:
    """Options without which a management command does not start."""
    app = get_commands()[command]
    loaded = app if not isinstance(app, str) else load_command_class(app, command)
    actions = loaded.create_parser("manage.py", command)._actions
    return frozenset(action.option_strings[-1] for action in actions if action.required and action.option_strings)


def written(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(command, options) as they stand in a page."""
    for found in SPAN.finditer(page.read_text()):
        yield found[1], OPTION.findall(found[2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_a_page_exist_with_their_options(page: Path) -> None:
    wrong = []
    for command, options in written(page):
        if command in WITHOUT_DJANGO:
            continue
        if command not in get_commands():
            wrong.append(f"manage.py {command}")
            continue
        wrong += [f"manage.py {command} {option}" for option in options if option not in options_of(command)]
        typed = options and page.name != "CHANGELOG.md"  # a name alone, or an option's news, is no line to type
        missing = sorted(needed_by(command) - set(options)) if typed else []
        wrong += [f"manage.py {command} {' '.join(options)} without {option}" for option in missing]
    scripts = {name for name in SCRIPT.findall(page.read_text()) if not (ROOT / "bin" / name).is_file()}
    assert wrong + sorted(scripts - NOT_OURS) == []
