"""``manage.py backtest``: what profiles would have done with a tape."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from backtest import runs
from backtest.options import DEFAULT_LATENCY, WHOLE, BadOption, Options, profile_columns, rules_files, together
from backtest.report import html, terminal, whole
from backtest.report.results import Result
from backtest.studies import leaks
from kalbot.common import commands
from kalbot.common.units import UnitError, parse_count
from markets.fees import RATES
from markets.management.commands.tape import moment
from markets.tape.coverage import Coverage, coverage
from markets.tape.part import nothing_between
from markets.tape.reader import Tape
from markets.terms.rules_file import RulesFileError, read_rules
from strategies.models import DOLLAR
from trading.venues.queues import QueueModel
from trading.venues.replay import Latency


def latency(text: str) -> Latency:
    """See Latency.parse."""
    try:
        return Latency.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def contracts(text: str) -> int:
    """A number of contracts in 1/100."""
    try:
        count = int(parse_count(text))
    except UnitError as error:
        raise ArgumentTypeError(str(error)) from None
    if count < 0:
        raise ArgumentTypeError(f"{text!r} is no number of contracts")
    return count


def money(text: str) -> int:
    """Dollars, in micro-dollars."""
    try:
        amount = int(Decimal(text) * DOLLAR)
    except (InvalidOperation, ValueError, OverflowError):
        amount = -1
    if not 0 <= amount < 2**62:
        raise ArgumentTypeError(f"{text!r} is no amount of dollars")
    return amount


def seconds(text: str) -> int:
    """Whole seconds, one to an hour."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3600):
        raise ArgumentTypeError(f"{text!r} is no interval: 1 to 3600 seconds")
    return int(text)


class Command(commands.Command):
    example = "manage.py backtest --tape tapes/2026-07-19 --profile careful --set min_profit=50000"
    help = "Replay a tape through screening, cycle, execution, triage and settlement on a simulated clock."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tape", type=Path, required=True, help="folder of a recording")
        parser.add_argument("--from", dest="start", type=moment, default=0, help="UTC, such as 2026-07-19T14:00")
        parser.add_argument("--to", dest="end", type=moment, default=2**63, help="UTC; default: to its end")
        parser.add_argument(
            "--profile", action="append", default=[], help="stored or seeded name, or a TOML file; repeat for several"
        )
        parser.add_argument(
            "--together",
            action="store_true",
            help="the profiles trade on one account: its cash, its books less what the others took, no event twice",
        )
        parser.add_argument(
            "--cash", type=money, help="dollars on the account of profiles that trade together (what they may spend)"
        )
        parser.add_argument(
            "--set", dest="columns", action="append", default=[], help="column=value, for every profile"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="another one draws other luck of fills and delays (default 1)"
        )
        parser.add_argument(
            "--latency", type=latency, default=DEFAULT_LATENCY, help="milliseconds to the book: 80, or p10:p50:p90"
        )
        parser.add_argument(
            "--queue",
            choices=[*QueueModel, "all"],
            default=QueueModel.REALISTIC.value,
            help="what happens to those before a resting order",
        )
        parser.add_argument(
            "--touch-size",
            type=contracts,
            default=0,
            help="contracts assumed behind a best price that was recorded without its size; without it such prices make no book",
        )
        parser.add_argument(
            "--rules",
            action="append",
            default=[],
            help='rules texts by series for events that were recorded without (repeat for several; "public" = those that come with the '
            "program); without them nothing certifies such events",
        )
        parser.add_argument(
            "--fees",
            choices=list(RATES),
            metavar="TYPE",
            default="",
            help="fee type, at multiplier 1, of series whose fees were not recorded; without it nothing is traded on them. "
            f"One of {', '.join(RATES)}",
        )
        parser.add_argument(
            "--check-leaks", action="store_true", help="cut the tape, poison the future: nothing may change"
        )
        parser.add_argument(
            "--cycle-seconds", type=seconds, default=3, help="beat's interval; longer is faster and coarser"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")
        parser.add_argument("--html", type=Path, help="write one file that can be sent to somebody")
        parser.add_argument("--save", action="store_true", help="keep the runs for the console")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tape = Tape.open(options["tape"])
            wanted = _options(options)
            read_rules(rules_files(options["rules"]))
            _in_time(tape, options["start"], options["end"])
            covered = coverage(tape, options["start"], options["end"])
            if options["html"]:
                whole.check(options["html"])
        except (OSError, BadOption, RulesFileError) as error:
            raise CommandError(commands.words(error)) from None
        if options["check_leaks"]:
            self._check(wanted)
            return
        results: list[Result] = []
        try:
            for one in wanted:
                results.append(self._run(one, tape, quiet=options["json"]))
                if options["save"]:
                    runs.save(results[-1], covered)
        except KeyboardInterrupt:
            self._write(results, covered, options)
            raise CommandError(
                f"interrupted: {len(results)} of {len(wanted)} runs had ended{' and are kept' if options['save'] and results else ''}",
                returncode=130,
            ) from None
        self._write(results, covered, options)

    def _write(self, results: list[Result], covered: Coverage, options: dict[str, Any]) -> None:
        """What came of the runs that have ended: to the screen first, which is never full."""
        if options["json"]:
            document = {"coverage": covered.document(), "runs": [result.document() for result in results]}
            self.stdout.write(json.dumps(document, indent=2, default=str))
        elif results:
            self._print(results, covered)
        if options["html"] and results:
            try:
                whole.write(options["html"], html.page(results, covered))
            except OSError as error:
                raise CommandError(f"{options['html']} was not written: {error.strerror or error}") from None

    def _run(self, options: Options, tape: Tape, *, quiet: bool) -> Result:
        from backtest.replay import session

        total = max(1, min(options.end_ns, tape.last_ns) - tape.first_ns)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with Progress(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        ) as bar:
            task = bar.add_task(options.name, total=total)
            return session.run(options, progress=lambda at: bar.update(task, completed=at - tape.first_ns))

    def _check(self, wanted: list[Options]) -> None:
        for options in wanted:
            found = leaks.check(options)
            for problem in found.problems:
                self.stderr.write(problem)
            self.stdout.write(found.sentence)
            if found.problems:
                raise CommandError(f"{options.name}: something was known before it came")

    def _print(self, results: list[Result], covered: Coverage) -> None:
        console = Console(width=None if sys.stdout.isatty() else 140)
        for renderable in terminal.renderables(results, covered):
            console.print(renderable)


def _in_time(tape: Tape, start: int, end: int) -> None:
    """Raise BadOption where nothing of the tape lies in the time that is wanted."""
    if why := nothing_between(tape, start, end):
        raise BadOption(why)


def _options(options: dict[str, Any]) -> list[Options]:
    names = options["profile"] or ["careful"]
    models = list(QueueModel) if options["queue"] == "all" else [QueueModel(options["queue"])]
    runs = [
        Options(
            tape=options["tape"],
            profile=profile_columns(name, options["columns"]),
            start_ns=options["start"],
            end_ns=options["end"],
            seed=options["seed"],
            latency=options["latency"],
            queue=model,
            touch_size=options["touch_size"],
            rules=rules_files(options["rules"]),
            fees=options["fees"],
            cycle_seconds=options["cycle_seconds"],
        )
        for name in names
        for model in models
    ]
    if options["cash"] is not None and not options["together"]:
        raise BadOption("--cash is for profiles that trade --together")
    if not options["together"]:
        return runs
    cash = {} if options["cash"] is None else {WHOLE: options["cash"]}
    return [together([run for run in runs if run.queue is model], cash) for model in models]
