"""``manage.py evaluate SNAPSHOT_DIR --profile NAME``: judge every event of a recorded snapshot, on its full books."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table

from kalbot.common import clock, commands
from kalbot.common.errors import KalbotError
from kalbot.common.terminal import show
from kalbot.common.units import (
    PPM,
    Count,
    Money,
    UnitError,
    format_count,
    format_money,
    format_price,
    parse_count,
    parse_money,
)
from kalbot.common.wording import many
from markets.fees import CENT_GRID, DIRECT_GRID
from markets.selectors import fee_grid
from markets.terms.rules_file import read_shipped
from markets.terms.special_settlements import IN_NO_GRADE
from strategies.catalogue import recorded
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import basket_grade, limits_of
from strategies.dutch.basket import Limits
from strategies.explain.book_evaluation import as_json, judge_on_books, percent
from strategies.models import Profile
from strategies.profiles import seeds
from strategies.screening.verdict import Status, Verdict

ORDER = {Status.CANDIDATE: 0, Status.NEAR_MISS: 1, Status.REJECTED: 2}
WIDTH = 230
FAR = 100 * PPM
"""Distances from which on they say nothing: an event that ended days ago is not some way from being early enough."""

Judged = tuple[EventView, Verdict]


class Command(commands.Command):
    example = "manage.py evaluate recorded/20260719T155529Z --profile careful"
    help = "Judge a recorded snapshot with the code that trades: every event's verdict, basket and binding constraint."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "snapshot", type=Path, metavar="SNAPSHOT_DIR", help="folder with events.jsonl.gz and orderbooks.jsonl.gz"
        )
        parser.add_argument(
            "--profile", required=True, help="name of a profile (a seeded one need not be in the database)"
        )
        parser.add_argument("--count", type=_contracts, help="judge exactly this many contracts a leg")
        parser.add_argument("--fee-grid", choices=["0.0001", "0.01"], help="the member's balance grid in dollars")
        parser.add_argument(
            "--min-profit", type=commands.dollars, help="least profit of a basket in dollars, instead of the profile's"
        )
        parser.add_argument(
            "--at", type=datetime.fromisoformat, help="the snapshot's instant, if its name does not say it"
        )
        parser.add_argument(
            "--rules",
            action="append",
            default=[],
            metavar="FILE",
            help="rules texts by series for events that were recorded without (may be given several times; "
            '"public" = the texts in public wording that come with the program)',
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            profile = seeds.find(options["profile"])
            grid = _grid(options["fee_grid"])
            rules = read_shipped(options["rules"])
            snapshot = recorded.load(options["snapshot"], options["at"], rules)
            change = _changes(options)
            judged = [
                (event, judge_on_books(event, snapshot.depths, profile, snapshot.at_ms, grid=grid, limits=limits))
                for event in snapshot.events.values()
                for limits in [_limits(profile, event, snapshot, change)]
            ]
        except (KalbotError, UnitError) as error:
            raise CommandError(str(error)) from None
        judged.sort(key=_rank)
        if options["json"]:
            self.stdout.write(json.dumps(_document(options, profile, snapshot, grid, judged), indent=1))
        else:
            self._print(profile, snapshot, grid, judged)

    def _print(self, profile: Profile, snapshot: recorded.Snapshot, grid: Money, judged: list[Judged]) -> None:
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        show(console, _table(profile, snapshot, judged))
        totals = Counter(verdict.status.value for _, verdict in judged)
        reasons = _constraints(judged)
        console.print(
            f"{many(len(judged), 'event')}: {totals[Status.CANDIDATE]} would be bought, "
            f"{many(totals[Status.NEAR_MISS], 'near miss', 'near misses')}, "
            f"{totals[Status.REJECTED]} rejected. What binds: {', '.join(f'{code} {n}' for code, n in reasons.most_common())}."
        )
        console.print(
            f"Fees: type quadratic, multiplier 1 (a snapshot holds no series), balance grid ${format_money(grid)}. "
            f"{many(len(snapshot.refused), 'record')} refused by the parse boundary."
        )
        console.print(_about_rules(snapshot))
        console.print(IN_NO_GRADE)


def _about_rules(snapshot: recorded.Snapshot) -> str:
    return (
        f"Rules not recorded: {many(len(snapshot.without_rules), 'event')} without them, which can have no certificate; "
        f"{len(snapshot.filled)} got the texts of their series from a file, and their grades rest on that."
    )


def _contracts(text: str) -> Count:
    try:
        found = Count(parse_count(text))
    except UnitError:
        raise ArgumentTypeError(f"{text!r} is no number of contracts") from None
    if found <= 0:
        raise ArgumentTypeError("it must be above zero")
    return found


def _grid(text: str | None) -> Money:
    grid = fee_grid() if text is None else parse_money(text)
    if grid not in (DIRECT_GRID, CENT_GRID):
        raise UnitError(f"no member's balance grid: {text}")
    return grid


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """The parts of the limits that the command line replaces."""
    change: dict[str, Any] = {}
    if options["min_profit"] is not None:
        change["min_profit"] = options["min_profit"]
    if options["count"] is not None:
        count = options["count"]
        change |= {"min_count": count, "max_count": count, "count_step": count}
    return change


def _limits(profile: Profile, event: EventView, snapshot: recorded.Snapshot, change: dict[str, Any]) -> Limits:
    return replace(limits_of(profile, event, snapshot.at_ms), **change)


def _rank(judged: Judged) -> tuple[int, int, str]:
    event, verdict = judged
    distance = verdict.distance_ppm
    return ORDER[verdict.status], 10**12 if distance is None else distance, event.ticker


def _constraints(judged: list[Judged]) -> Counter[str]:
    return Counter(verdict.constraint.value for _, verdict in judged if verdict.constraint is not None)


def _document(
    options: dict[str, Any], profile: Profile, snapshot: recorded.Snapshot, grid: Money, judged: list[Judged]
) -> dict[str, Any]:
    return {
        "snapshot": options["snapshot"].name,
        "at": clock.from_ms(snapshot.at_ms).isoformat(),
        "profile": profile.name,
        "fee_grid": format_money(grid),
        "count": None if options["count"] is None else format_count(options["count"]),
        "refused": snapshot.refused,
        "totals": dict(Counter(verdict.status.value for _, verdict in judged)),
        "constraints": dict(_constraints(judged).most_common()),
        "in_no_grade": IN_NO_GRADE,
        "events": [as_json(event, verdict) | {"rules": snapshot.rules_of(event.ticker)} for event, verdict in judged],
    }


def _table(profile: Profile, snapshot: recorded.Snapshot, judged: list[Judged]) -> Table:
    table = Table(
        title=f"{profile.name} on {clock.from_ms(snapshot.at_ms):%Y-%m-%d %H:%M} UTC", box=None, pad_edge=False
    )
    table.add_column("event", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in ("rules", "grade", "kind", "legs"):
        table.add_column(name, no_wrap=True)
    for name in ("count", "limit prices", "cost", "fees", "floor", "if covered", "coverage", "margin"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("binding constraint", overflow="fold")
    for event, verdict in judged:
        table.add_row(*_cells(event, verdict, snapshot))
    return table


def _cells(event: EventView, verdict: Verdict, snapshot: recorded.Snapshot) -> list[str]:
    basket, miss = verdict.basket, verdict.miss
    status = "would buy" if verdict.status is Status.CANDIDATE else str(verdict.status.label)
    why = "" if miss is None else f"{miss.code}: {miss.value}, required {miss.limit}"
    if miss is not None and miss.distance_ppm is not None and miss.distance_ppm < FAR:
        why += f" ({percent(miss.distance_ppm)} away)"
    if basket is None:
        return [event.ticker, status, snapshot.rules_of(event.ticker), *[""] * 11, why]
    return [
        event.ticker,
        status,
        snapshot.rules_of(event.ticker),
        basket_grade(event, basket).label,
        basket.kind.value,
        f"{len(basket.legs)}/{len(event.outcomes)} {basket.legs[0].side.value.upper()}",
        format_count(basket.count),
        " ".join(format_price(leg.limit_price).rstrip("0") for leg in basket.legs),
        format_money(basket.cost),
        format_money(basket.fees),
        format_money(basket.floor),
        format_money(basket.conditional),
        "" if basket.coverage is None else f"{basket.coverage:.2%}",
        percent(basket.margin_ppm, 3),
        why,
    ]
