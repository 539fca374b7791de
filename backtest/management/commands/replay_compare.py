"""``manage.py replay_compare``: what profiles decided while a tape was recorded, beside what its replay decides."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from backtest.options import Options, checked, columns_of
from backtest.studies.comparison import Compared, Pair, compare, exchanges
from backtest.studies.recorded import CyclesUnknown
from kalbot.common import commands
from kalbot.common.clock import from_ms
from kalbot.common.units import dollars
from markets.management.commands.tape import moment
from strategies.models import Mode, Profile


class Command(commands.Command):
    example = "manage.py replay_compare --tape tapes/2026-07-19 --profile careful-live"
    help = "Replay a tape as the stored profiles that traded while it was recorded, and compare the decisions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tape", type=Path, required=True, help="folder of a recording")
        parser.add_argument(
            "--profile", action="append", default=[], help="stored; repeat for several (all active ones)"
        )
        parser.add_argument("--from", dest="start", type=moment, default=0, help="UTC, such as 2026-07-19T14:00")
        parser.add_argument("--to", dest="end", type=moment, default=2**63, help="UTC; default: to its end")
        parser.add_argument(
            "--seed", type=int, default=1, help="another one draws other luck of fills and delays (default 1)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = list(Profile.objects.order_by("name"))
        if unknown := sorted(set(options["profile"]) - {one.name for one in wanted}):
            known = ", ".join(one.name for one in wanted) or "none"
            raise CommandError(f'There is no profile "{unknown[0]}"; known: {known}.')
        wanted = [one for one in wanted if (one.name in options["profile"] if options["profile"] else one.is_active)]
        if not wanted:
            raise CommandError("No profile is active; name those that traded with --profile.")
        try:
            found = [one for each in exchanges(_beside(wanted)) for one in self._compared(each, options)]
        except (FileNotFoundError, CyclesUnknown) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps([one.document() for one in found], indent=2))
            return
        console = Console(width=None if sys.stdout.isatty() else 160)
        for one in found:
            console.print(_table(one))
        console.print(_sums(found))
        console.print(_causes(found))

    def _compared(self, profiles: list[Profile], options: dict[str, Any]) -> list[Compared]:
        run = Options(
            tape=options["tape"],
            profile=checked(columns_of(profiles[0])),
            start_ns=options["start"],
            end_ns=options["end"],
            seed=options["seed"],
        )
        found = compare(run, profiles)
        return [one for one in found if not options["profile"] or one.profile in options["profile"]]


def _beside(wanted: list[Profile]) -> list[Profile]:
    """``wanted``, and where one of them is live all others that took decisions on the account."""
    if all(profile.mode != Mode.LIVE for profile in wanted):
        return wanted
    live = Profile.objects.filter(mode=Mode.LIVE, decisions__isnull=False).distinct()
    return wanted + [profile for profile in live.order_by("name") if profile not in wanted]


def _table(found: Compared) -> Table:
    table = Table(title=f"{found.profile}: " + ", ".join(f"{n} {what}" for what, n in found.counts.most_common()))
    for head in ("recorded", "replayed", "event", "kind", "cost recorded", "cost replayed", "outcome"):
        table.add_column(head)
    for pair in found.pairs:
        table.add_row(*_row(pair))
    return table


def _causes(found: list[Compared]) -> Table:
    """Agreement of each profile, and its differences by kind."""
    table = Table(title="agreement")
    for head in ("profile", "decisions", "the same", "differences by kind"):
        table.add_column(head)
    for one in found:
        share = "" if one.agreement is None else f"{one.counts['same']} ({one.agreement:.0%})"
        causes = ", ".join(f"{n} {what}" for what, n in one.causes.most_common())
        table.add_row(one.profile, str(len(one.pairs)), share, causes)
    return table


def _sums(found: list[Compared]) -> Table:
    """Paper, paper twins, live and their replays side by side: who flatters whom, and by how much."""
    table = Table(title="side by side")
    for head in ("profile", "", "decisions", "spent", "profit", "median delay of the decision"):
        table.add_column(head)
    for one in found:
        for name in ("recorded", "replayed"):
            count, spent, profit = one.sums(name)
            delay = f"{median(one.delays_ms):.0f} ms" if one.delays_ms and name == "recorded" else ""
            table.add_row(one.profile, name, str(count), dollars(spent), dollars(profit), delay)
    return table


def _row(pair: Pair) -> tuple[str, ...]:
    one, other = pair.recorded, pair.replayed
    either = one or other
    assert either is not None
    times = [f"{from_ms(each.at_ms):%H:%M:%S.%f}"[:-3] if each else "" for each in (one, other)]
    costs = [dollars(each.cost) if each else "" for each in (one, other)]
    return (*times, either.event, either.kind, *costs, f"{pair.outcome}{': ' if pair.why else ''}{pair.why}")
