"""``manage.py quotes SNAPSHOT_DIR``: which events of a recorded snapshot could be quoted, at what price, or the one reason why not."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table

from kalbot.common import commands
from kalbot.common.errors import KalbotError
from kalbot.common.terminal import show
from kalbot.common.units import (
    PPM,
    Count,
    UnitError,
    dollars,
    format_price,
    parse_count,
    parse_decimal,
)
from markets.book import Side
from markets.fees import DIRECT_GRID, FeeError
from markets.terms.rules_file import PUBLIC, read_rules
from markets.terms.states import StateList, floor, listed_states
from strategies.catalogue import recorded
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import legs_of
from strategies.dutch.basket import LegMarket
from strategies.dutch.curve import WorstCurve
from strategies.explain.book_evaluation import percent
from strategies.quoting.judge import Judgement, LegQuote, judge
from strategies.quoting.refusal import Refused

WIDTH = 200


class Judged(NamedTuple):
    """One event for one side. ``taken``: what taking every leg keeps, in ppm of cost (None: an ask is missing)."""

    event: EventView
    found: Judgement
    taken: int | None


class Command(commands.Command):
    example = "manage.py quotes recorded/20260719T155529Z --side no --count 10"
    help = "Judge every exclusive event of a recorded snapshot for quoted baskets: the bid that may rest, or the reason for none."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "snapshot",
            type=Path,
            metavar="SNAPSHOT_DIR",
            nargs="+",
            help="folders of recorded snapshots",
        )
        parser.add_argument("--side", choices=["no", "yes"], default="no", help="what every leg would be (default no)")
        parser.add_argument("--count", default="1", help="contracts of every leg")
        parser.add_argument("--margin", default="0", help="least margin in percent of cost")
        parser.add_argument(
            "--max-outcomes", type=commands.at_least(2), default=12, help="markets that an event may have (default 12)"
        )
        parser.add_argument("--join", action="store_true", help="never bid above the best bid")
        parser.add_argument(
            "--rules",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="rules texts; see evaluate",
        )
        parser.add_argument(
            "--assume-states",
            action="store_true",
            help="treat events without a certificate as if exactly one outcome won: an upper bound, no promise",
        )
        parser.add_argument(
            "--at", type=datetime.fromisoformat, help="the snapshot's instant, if its name does not say it"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count, margin = parse_count(options["count"]), parse_decimal(options["margin"], 4)
            if count <= 0 or margin < 0:
                raise UnitError("--count must be above zero and --margin not below it")
            rules = read_rules(PUBLIC if str(path) == "public" else path for path in options["rules"])
            judged = [
                one
                for folder in options["snapshot"]
                for one in _judged(recorded.load(folder, options["at"], rules), options, count, margin)
            ]
        except (KalbotError, UnitError) as error:
            raise CommandError(str(error)) from None
        totals = _totals(judged)
        if options["json"]:
            self.stdout.write(json.dumps({"totals": totals, "events": [_json(one) for one in judged]}, indent=1))
            return
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        show(console, _table(judged))
        console.print(
            f"{totals['events']} events, {options['side'].upper()} on every outcome: taking all legs pays in {totals['all taken']}; "
            f"one leg could rest inside the spread in {totals['one leg inside']}, at the best bid or inside in {totals['one leg']}; "
            f"all legs could rest in {totals['all legs']}. Nothing is said about whether they would fill."
        )
        if options["assume_states"]:
            console.print(
                f"{totals['assumed']} of them have no certificate: exactly one winner was assumed, nobody promises it."
            )


def _judged(snapshot: recorded.Snapshot, options: dict[str, Any], count: Count, margin: int) -> list[Judged]:
    side, found = Side(options["side"]), []
    for event in snapshot.events.values():
        if not event.exclusive or not 2 <= len(event.outcomes) <= options["max_outcomes"]:
            continue
        try:
            legs = legs_of(event, snapshot.depths, DIRECT_GRID)
        except FeeError:
            continue
        states = event.states
        if states is None and options["assume_states"]:
            states = listed_states([leg.ticker for leg in legs], certified=True)
        one = judge(legs, states, side, count, margin, improve=not options["join"])
        found.append(Judged(event, one, _taken(legs, states, side, count)))
    return found


def _taken(legs: list[LegMarket], states: StateList | None, side: Side, count: Count) -> int | None:
    """What taking ``count`` of every leg now keeps in its floor, in ppm of cost."""
    curves = [WorstCurve(leg, side) for leg in legs]
    if states is None or any(curve.total < count for curve in curves):
        return None
    cost = sum(sum(curve.cost(count)) for curve in curves)
    return (floor([(leg.ticker, side, count) for leg in legs], states) - cost) * PPM // cost


def _totals(judged: list[Judged]) -> dict[str, int]:
    quotes = [one.found.one for one in judged if isinstance(one.found.one, LegQuote)]
    return {
        "events": len(judged),
        "assumed": sum(one.event.states is None for one in judged),
        "all taken": sum(one.taken is not None and one.taken > 0 for one in judged),
        "one leg inside": sum(quote.inside for quote in quotes),
        "one leg": len(quotes),
        "all legs": sum(isinstance(one.found.all_legs, int) for one in judged),
    }


def _json(one: Judged) -> dict[str, Any]:
    quote, every = one.found.one, one.found.all_legs
    return {
        "event": one.event.ticker,
        "side": one.found.side.value,
        "taken_ppm": one.taken,
        "quote": None
        if isinstance(quote, Refused)
        else {
            "ticker": quote.synthetic.ticker,
            "price": format_price(quote.price),
            "synthetic": format_price(quote.synthetic.most),
            "inside": quote.inside,
            "margin_ppm": quote.margin_ppm,
            "hedge_cost": dollars(quote.synthetic.hedge_cost),
        },
        "refused": quote.reason.value if isinstance(quote, Refused) else "",
        "all_legs_ppm": every if isinstance(every, int) else None,
        "all_legs_refused": every.reason.value if isinstance(every, Refused) else "",
    }


def _table(judged: list[Judged]) -> Table:
    table = Table("event", "rest", "at", "up to", "best bid", "keeps", "all legs rest", box=None)
    for one in sorted(judged, key=_rank)[:60]:
        quote, every = one.found.one, one.found.all_legs
        keeps = percent(every) if isinstance(every, int) else every.sentence
        if isinstance(quote, Refused):
            table.add_row(one.event.ticker, quote.sentence, "", "", "", "", "" if keeps == quote.sentence else keeps)
            continue
        touch = quote.synthetic.touch
        table.add_row(
            one.event.ticker,
            quote.synthetic.ticker,
            format_price(quote.price),
            format_price(quote.synthetic.most),
            "" if touch is None else format_price(touch),
            percent(quote.margin_ppm),
            keeps,
        )
    reasons = Counter(one.found.one.reason.value for one in judged if isinstance(one.found.one, Refused))
    table.caption = "What binds: " + ", ".join(f"{code} {n}" for code, n in reasons.most_common())
    return table


def _rank(one: Judged) -> tuple[bool, int, str]:
    quote = one.found.one
    return isinstance(quote, Refused), 0 if isinstance(quote, Refused) else -quote.margin_ppm, one.event.ticker
