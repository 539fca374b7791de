"""``manage.py tape``: what a recording holds, whether it is whole, parts of it, Parquet from it, and tapes from what others recorded."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import track
from rich.table import Table

from kalbot.common import commands
from markets.tape import export as tape_export
from markets.tape.coverage import Coverage, State, coverage, in_words
from markets.tape.cut import cut
from markets.tape.imports import registry
from markets.tape.imports.source import Part, iso, moment_of
from markets.tape.imports.zones import zone_of
from markets.tape.part import nothing_between
from markets.tape.reader import END_OF_TIME, Tape

FEW: Final = 10
"""Names that a sentence lists."""


def moment(text: str) -> int:
    """A time of the command line (ISO, UTC without an offset) in nanoseconds."""
    try:
        return moment_of(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time such as 2026-07-19T14:00") from None


def zone(text: str) -> ZoneInfo | None:
    """A time zone of the command line."""
    try:
        return zone_of(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


class Command(commands.Command):
    example = "manage.py tape cut tapes/2026-07-19 tapes/hour --from 2026-07-19T14:00 --to 2026-07-19T15:00"
    help = "Inspect, verify, cut, export and import recordings of the exchange."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, text in (
            ("info", "what the tape holds, with its coverage by hour"),
            ("verify", "read every block and name what is damaged; exit status 1 if anything is"),
        ):
            one = actions.add_parser(name, help=text)
            one.add_argument("tape", type=Path, help="folder of a recording")
            one.add_argument("--json", action="store_true", help="print JSON for a program")
        for name, text in (("cut", "a part as a tape of its own"), ("export", "Parquet files")):
            one = actions.add_parser(name, help=text)
            one.add_argument("tape", type=Path, help="folder of a recording")
            one.add_argument("to_folder", type=Path, metavar="FOLDER", help="where to write")
            one.add_argument("--from", dest="start", type=moment, default=0, help="UTC, such as 2026-07-19T14:00")
            one.add_argument("--to", dest="end", type=moment, default=END_OF_TIME, help="UTC; default: to its end")
        one = actions.add_parser("import", help="tapes from what others recorded")
        kinds = ["recorded", *registry.KINDS, *registry.ARCHIVES]
        one.add_argument(
            "kind", choices=kinds, metavar="KIND", help=f"what it was recorded by (docs): {', '.join(kinds)}"
        )
        one.add_argument("source", type=commands.existing, help="file or folder to read")
        one.add_argument("to_folder", type=Path, metavar="FOLDER", help="where to write")
        one.add_argument(
            "--events", type=commands.existing, help="events of the exchange, one a line, for archives without them"
        )
        one.add_argument("--only", default="", help="parts whose name contains this")
        one.add_argument("--times-zone", type=zone, help="of an archive's times, such as Europe/Berlin (UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {
            "info": self._info,
            "verify": self._verify,
            "cut": self._cut,
            "export": self._export,
            "import": self._import,
        }
        try:
            actions[options["action"]](options)
        except OSError as error:
            raise CommandError(commands.words(error)) from None

    def _info(self, options: dict[str, Any]) -> None:
        """Coverage as a table or JSON."""
        tape = Tape.open(options["tape"])
        found = coverage(tape)
        if options["json"]:
            self.stdout.write(json.dumps(_summary(tape, found), indent=2))
            return
        console = Console()
        summary = _summary(tape, found)
        console.print(f"{summary['first']} to {summary['last']}, {summary['bytes'] / 2**20:,.1f} MiB")
        table = Table("records", "count", box=None)
        for kind, count in sorted(found.kinds.items()):
            table.add_row(kind, f"{count:,}")
        console.print(table)
        hours = Table("hours", "count", box=None)
        for state in State:
            hours.add_row(state.value, str(found.count(state)))
        console.print(hours)
        if found.missing_days:
            console.print(f"Days without a record: {in_words(found.missing_days)}.")
        for hour in found.hours:
            if hour.state is State.DEGRADED:
                console.print(f"{hour.text}: {'; '.join(hour.reasons)} ({hour.gap_ns / 1e9:,.0f} s)")
        if found.assumed:
            console.print(f"Assumed: {'; '.join(found.assumed)}.")
        for line in dict.fromkeys(map(_about, found.about)):
            console.print(line, markup=False, highlight=False)

    def _verify(self, options: dict[str, Any]) -> None:
        """Read everything."""
        tape = Tape.open(options["tape"])
        problems = [
            f"{segment.path.name}: {hole.reason} at byte {hole.offset}, {hole.end - hole.offset} bytes"
            for segment in tape.segments
            for hole in segment.holes
        ]
        count = 0
        for segment in tape.segments:
            for problem, records in segment.check():
                count += records
                problems += [problem] if problem else []
        result = {"segments": len(tape.segments), "records": count, "problems": problems}
        self.stdout.write(json.dumps(result, indent=2) if options["json"] else _sentence(result))
        if problems:
            raise CommandError("the tape is damaged; what can be read is replayed, and the rest is a named gap")

    def _cut(self, options: dict[str, Any]) -> None:
        """A part of a tape."""
        if any(options["to_folder"].glob("*.tape")):
            raise CommandError(f"{options['to_folder']} holds a tape already; the part would be added to it")
        count = cut(_tape_of(options), options["to_folder"], options["start"], options["end"])
        self.stdout.write(f"{count:,} records")

    def _export(self, options: dict[str, Any]) -> None:
        """Parquet."""
        rows = tape_export.export(_tape_of(options), options["to_folder"], options["start"], options["end"])
        self.stdout.write("\n".join(f"{name}: {count:,} rows" for name, count in rows.items()) or "nothing to export")

    def _import(self, options: dict[str, Any]) -> None:
        """Tapes below FOLDER, one for each kind of recording."""
        if options["times_zone"] is not None and options["kind"] not in registry.ARCHIVES:
            raise CommandError(f"--times-zone is for archives: {', '.join(registry.ARCHIVES)}")
        parts = list(registry.parts(options["kind"], options["source"], options["times_zone"]))
        found = [part for part in parts if options["only"] in part.writer]
        if not found:
            raise CommandError(_nothing(options, parts))
        refused = []
        for part in track(found, description="import", disable=not sys.stderr.isatty()):
            try:
                done = registry.run(part, options["to_folder"], options["events"])
            except registry.BROKEN as error:
                refused.append(part.writer)
                self.stdout.write(f"{part.tape}/{part.writer}: not imported: {type(error).__name__}: {error}")
                continue
            said = f", {done.aside.count:,} that cannot be read" if done.aside.count else ""
            self.stdout.write(f"{part.tape}/{part.writer}: {done.records:,} records{said}")
            for one in done.aside.named:
                self.stdout.write(f"  {one}")
        if not options["only"]:
            for name, why in registry.left_out(options["kind"], options["source"]):
                self.stdout.write(f"{name}: not imported: {why}")
        if refused:
            raise CommandError(f"{len(refused)} of {len(found)} could not be read: {', '.join(refused)}")


def _tape_of(options: dict[str, Any]) -> Tape:
    """The tape of which a part is wanted. CommandError where nothing of it lies in the time that is named."""
    tape = Tape.open(options["tape"])
    if why := nothing_between(tape, options["start"], options["end"]):
        raise CommandError(why)
    return tape


def _about(about: dict[str, Any]) -> str:
    """What a writer says of its recording, in a line; what it assumed stands in a line of all writers."""
    words = {name: value for name, value in about.items() if name not in ("format", "assumed") and value}
    return "; ".join(name if value is True else f"{name}: {_listed(value)}" for name, value in words.items()) + "."


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_listed(one)}" for name, one in value.items())
    return ", ".join(map(_listed, value)) if isinstance(value, list) else str(value)


def _nothing(options: dict[str, Any], parts: Sequence[Part]) -> str:
    """Why nothing can be imported, with what helps: the names of the parts, or the kinds of which something is there."""
    kind, source, above = options["kind"], options["source"], options["source"].resolve().parent
    if parts:
        names = ", ".join(part.writer for part in parts[:FEW])
        return f"no part of {source} has {options['only']!r} in its name; the {len(parts)} are called {names}{', …' if parts[FEW:] else ''}"
    there = [one for one in registry.KINDS if next(registry.parts(one, source), None) is not None]
    help_ = f"; it holds something of the kind {', '.join(there)}" if there else ""
    if not there and kind not in registry.ARCHIVES and next(registry.parts(kind, above), None) is not None:
        help_ = f"; {above} does: the folder with all recordings is named, and --only picks some of them"
    return f"{source} holds nothing of the kind {kind}{help_}"


def _summary(tape: Tape, found: Coverage) -> dict[str, Any]:
    return {
        "first": iso(tape.first_ns),
        "last": iso(tape.last_ns),
        "bytes": sum(segment.path.stat().st_size for segment in tape.segments),
        "bytes_unpacked": sum(block.raw_bytes for segment in tape.segments for block in segment.blocks),
        **found.document(),
    }


def _sentence(result: dict[str, Any]) -> str:
    lines = [f"{result['segments']} segments, {result['records']:,} records"]
    return "\n".join([*lines, *(result["problems"] or ["every block is whole"])])
