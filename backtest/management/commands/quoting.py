"""``manage.py quoting``: what quoted baskets would have made on the settled events of print tapes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from backtest.quoting import places, prints, study
from backtest.quoting.prints import Events, Printed
from backtest.quoting.replay import Fills, Setup, replay
from kalbot.common import commands
from kalbot.common.terminal import show
from kalbot.common.units import dollars, parse_count, parse_price
from kalbot.common.wording import many
from markets.book import Side
from markets.fees import FeeSchedule
from markets.tape.reader import Tape

GROUPS: Final[dict[str, Callable[[Printed], str]]] = {
    "none": lambda printed: "all",
    "series": lambda printed: printed.series,
    "legs": lambda printed: f"{len(printed.legs)} legs",
}
WIDTH: Final = 130
NOTE: Final = (
    "Cents an event, 95 % intervals. No book was recorded: the touch is the last price at which somebody took the bid, and who stood "
    "before us is not known, so the fill models are bounds, not forecasts. Our own quotes changed nothing here; in life they would."
)


class Command(commands.Command):
    example = "manage.py quoting --tape tapes/prints --side no --margin 0.03"
    help = "Quote every leg of each settled event at its touch, by recorded prints: held and sold orphans under three fill models."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tape", type=Path, required=True, help="a tape with prints, or a folder of such tapes")
        parser.add_argument(
            "--side", choices=["no", "yes", "both"], default="both", help="what every leg is (default: each in turn)"
        )
        parser.add_argument("--margin", default="0.03", help="dollars that a set must keep")
        parser.add_argument("--sets", default="10", help="contracts wanted of every leg")
        parser.add_argument(
            "--stop-hours", type=float, default=6.0, help="hours before the close in which nothing rests"
        )
        parser.add_argument("--ahead", default="100", help="contracts that stand before a new quote (model queue)")
        parser.add_argument(
            "--every", type=float, default=0.0, metavar="HOURS", help="set quotes then, not after each print"
        )
        parser.add_argument("--whole", action="store_true", help="a trade that reaches a quote fills all of it")
        parser.add_argument(
            "--known", action="store_true", help="leave out events in which nobody took the bid of some leg"
        )
        parser.add_argument(
            "--assume-fees", metavar="TYPE", help="fee type of series that are not on the tape, multiplier 1"
        )
        parser.add_argument(
            "--after",
            type=int,
            metavar="N",
            help="only events of series that had earned something in N or more events settled before",
        )
        parser.add_argument(
            "--places", type=int, metavar="K", help="instead: capital for K events a day, given by three rules"
        )
        parser.add_argument(
            "--by", choices=sorted(GROUPS), default="none", help="a row for each number of legs, or each series"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            assumed = FeeSchedule(options["assume_fees"]) if options["assume_fees"] else None
            self.progress(f"reading {options['tape']}")
            events = prints.read(tapes(options["tape"]), assumed)
            setups = _setups(options)
        except (FileNotFoundError, ValueError) as error:
            raise CommandError(str(error)) from None
        if not events.printed:
            raise CommandError(f"{options['tape']} holds no settled event that can be quoted. {_left_out(events)}")
        if options["places"] is not None:
            if options["places"] < 1:
                raise CommandError("--places must be at least 1.")
            self._print_places(events, setups, options["places"])
            return
        total = len(events.printed) * len(setups) * len(Fills)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("replaying", total=total)
            rows = study.run(
                events.printed,
                setups,
                group=GROUPS[options["by"]],
                least_history=options["after"],
                known_only=options["known"],
                progress=lambda n: progress.advance(task, n),
            )
        if options["json"]:
            document = {"rows": [row.to_json() for row in rows], "left_out": dict(events.left_out), "note": NOTE}
            self.stdout.write(json.dumps(document, indent=2))
            return
        _print(rows)
        self.stdout.write(NOTE)
        self.stdout.write(_left_out(events))

    def _print_places(self, events: Events, setups: list[Setup], number: int) -> None:
        for setup in setups:
            for model in Fills:
                replayed = [replay(printed, setup, model) for printed in events.printed]
                for one in places.compare(replayed, setup, number):
                    profit, week = dollars(one.profit), f"{one.a_week:.2%} a week"
                    words = f"{setup.side.value.upper()} {model.value}, {number} a day, {one.rule}"
                    self.stdout.write(f"{words}: {many(one.events, 'event')}, {profit}, {week} on what was locked")


def tapes(folder: Path) -> dict[str, Tape]:
    """The tape in ``folder``, or every tape in its subfolders. Raises FileNotFoundError when there is none."""
    below = [path for path in sorted(folder.iterdir()) if any(path.glob("*.tape"))] if folder.is_dir() else []
    if any(folder.glob("*.tape")) or not below:
        return {folder.name: Tape.open(folder)}
    return {path.name: Tape.open(path) for path in below}


def _setups(options: dict[str, Any]) -> list[Setup]:
    margin, sets, ahead = parse_price(options["margin"]), parse_count(options["sets"]), parse_count(options["ahead"])
    if sets <= 0 or ahead < 0 or not all(0 <= options[name] < float("inf") for name in ("stop_hours", "every")):
        raise ValueError("--sets must be above zero, --ahead, --every and --stop-hours not below it.")
    sides = [Side.NO, Side.YES] if options["side"] == "both" else [Side(options["side"])]
    rules = (options["stop_hours"], ahead, options["every"], options["whole"])
    return [Setup(side, margin, sets, *rules) for side in sides]


def _left_out(events: Events) -> str:
    parts = [f"{count} {reason}" for reason, count in sorted(events.left_out.items())]
    return f"Left out: {', '.join(parts) or 'none'}."


def _print(rows: list[study.Row]) -> None:
    names = ("side", "fills", "group", "events", "orphans held", "orphans sold", "sets", "orphans", "after 10 s")
    table = Table(box=None)
    for number, name in enumerate(names):
        table.add_column(name, no_wrap=True, justify="left" if number < 3 else "right")
    for row in rows:
        later = next((m for m in row.markouts if m.seconds == 10), None)
        table.add_row(
            row.side.value.upper(),
            row.model.value,
            row.group,
            str(row.events),
            str(row.held),
            str(row.sold),
            f"{row.sets:.2f}",
            f"{row.orphans:.1f}",
            "" if later is None else f"{later.mean / 100:+.2f}",
        )
    show(Console(width=None if sys.stdout.isatty() else WIDTH), table)
