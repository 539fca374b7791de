"""What our commands share: an example in ``--help``, and arguments that are refused under their own name."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandParser

from kalbot.common.terminal import card, wrapped
from kalbot.common.units import Money, UnitError, parse_money


class Command(BaseCommand):
    """A command whose help ends with ``example``: a whole line that can be typed."""

    example: ClassVar[str]

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """See Django's."""
        return super().create_parser(prog_name, subcommand, epilog=f"Example: {self.example}", **kwargs)

    def say(self, text: str, indent: str = "") -> None:
        """A line of the output; at a terminal no wider than it is."""
        width = shutil.get_terminal_size().columns
        self.stdout.write(wrapped(text, width, indent) if self.stdout.isatty() else f"{indent}{text}")

    def facts(self, title: str, facts: Sequence[tuple[str, str]], line: str) -> None:
        """What is known of one thing: a card at a terminal, else ``line``, as part of a table."""
        if self.stdout.isatty():
            self.stdout.write(card(title, facts, shutil.get_terminal_size().columns), ending="")
        else:
            self.stdout.write(line)

    def progress(self, text: str) -> None:
        """A line for whoever waits, beside the output and in no colour: Django writes what goes to its stderr in the red of errors."""
        self.stderr.write(text, style_func=str)


def words(error: BaseException) -> str:
    """What an error says to a person: of a file, its name and what is wrong with it, without the system's number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def at_least(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number, ``least`` or more."""

    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if found < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return found

    return number


def dollars(text: str) -> Money:
    """The type of an argument that is an amount of dollars, in micro-dollars."""
    try:
        return Money(parse_money(text))
    except UnitError:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of dollars") from None


def folder(text: str) -> Path:
    """The type of an argument that is a folder which is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)


def existing(text: str) -> Path:
    """The type of an argument that is a file or a folder which is there."""
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"there is no file or folder {text}")
    return Path(text)
