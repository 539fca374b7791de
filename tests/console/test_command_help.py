"""``--help`` of every command of ours says what each argument is, and ends with a line that can be typed as it is."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from kalbot import client
from kalbot.common import commands

OURS: Final = ("kalbot", "markets", "strategies", "trading", "triage", "backtest")
DJANGO: Final = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}
THEIRS: Final = {"createsuperuser", "changepassword"}
"""Django's own, with an audit row more."""
NAMES: Final = sorted(
    name for name, app in get_commands().items() if isinstance(app, str) and app.split(".")[0] in OURS
)


def _loaded(name: str) -> commands.Command:
    found = load_command_class(str(get_commands()[name]), name)
    assert isinstance(found, commands.Command), f"{name} has no example"
    return found


def _unsaid(parser: argparse.ArgumentParser, path: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from _unsaid(inner, f"{path} {name}")
        elif not action.help and action.dest not in DJANGO | {"skip_checks"}:
            yield f"{path} {'/'.join(action.option_strings) or action.dest}"


def test_there_are_commands() -> None:
    assert len(NAMES) > 25
    assert set(NAMES) >= THEIRS


@pytest.mark.parametrize("name", sorted(set(NAMES) - THEIRS))
def test_every_argument_is_explained_and_the_example_can_be_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = _loaded(name)
    parser = command.create_parser("manage.py", name)
    assert list(_unsaid(parser, name)) == []
    assert "".join(f"Example: {command.example}".split()) in "".join(parser.format_help().split())
    monkeypatch.chdir(tmp_path)
    program, called, *arguments = shlex.split(command.example)
    for folder in (one for one in arguments if one.startswith(("tapes", "recorded"))):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert (program, called) == ("manage.py", name)
    parser.parse_args(arguments)


def test_the_terminal_client_explains_every_argument_and_its_examples_can_be_typed() -> None:
    parser = client.parser()
    assert list(_unsaid(parser, "kalbot")) == []
    (commands_of,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    for name, inner in commands_of.choices.items():
        program, *arguments = shlex.split(str(inner.epilog).removeprefix("Example: "))
        assert (program, arguments[0]) == ("kalbot", name)
        parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("families --max-legs 0", "argument --max-legs: 0 is less than 2"),
        ("families --max-cost x", "argument --max-cost: 'x' is no amount of dollars"),
        ("collateral a.csv --start x", "argument --start: 'x' is no amount of dollars"),
        ("evidence tapes --jobs -1", "argument --jobs: -1 is less than 1"),
        ("evidence tapes --jobs x", "argument --jobs: 'x' is no whole number"),
        ("triage_evidence /no/such", "argument folder: /no/such is no folder"),
    ],
)
def test_a_wrong_argument_is_refused_under_its_name(line: str, words: str) -> None:
    name, *arguments = line.split()
    with pytest.raises(CommandError, match=words):
        _loaded(name).create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "collateral gone.csv --start 1.00",
        "compare_transactions gone.csv --year 2026",
        "sweep --tape . --profile gone.toml --try 'min_profit=[0, 1]'",
    ],
)
def test_a_file_that_is_not_there_is_named_in_words(line: str) -> None:
    name, *arguments = shlex.split(line)
    with pytest.raises(CommandError) as refused:
        call_command(name, *arguments)
    said = str(refused.value)
    assert ("gone." in said, "No such file" in said, "Errno" in said) == (True, True, False), said
