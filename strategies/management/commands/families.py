"""``manage.py families``: the best basket of each family that the last scan found, or the proof that there is none."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, NamedTuple

from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table

from kalbot.common import commands
from kalbot.common.terminal import show
from kalbot.common.units import dollars, format_count, format_price
from kalbot.common.wording import many
from markets.catalogue.family_pairs import FAMILY, NoSuchPairError, Pairs
from markets.fees import FeeError
from markets.models import RefusedFamily
from strategies.catalogue import live_quotes, universe
from strategies.catalogue.universe import EventView
from strategies.cycle.evaluation import legs_of
from strategies.explain.book_evaluation import percent
from strategies.families import graphs
from strategies.families.basket import Family, FamilyBasket, NoBasket
from strategies.families.limits import Sizes
from strategies.families.measure import centre
from strategies.screening.price_screen import DOLLAR, family_legs

WIDTH = 150


class Judged(NamedTuple):
    """One family: its basket, the proof that there is none, or why it cannot be judged."""

    view: EventView
    outcome: FamilyBasket | NoBasket | str


class Command(commands.Command):
    example = "manage.py families --max-cost 50 --max-legs 6"
    help = (
        "Families of open events on one value: baskets across them at the best prices, or the proof that there is none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--max-cost", type=commands.dollars, help="dollars that a basket may cost")
        parser.add_argument("--max-legs", type=commands.at_least(2), help="orders that a basket may have")
        parser.add_argument("--atoms", metavar="EVENT_TICKER", help="print the atoms of this event's family")
        parser.add_argument(
            "--pairs",
            action="store_true",
            help="count pairs of events of one source and close by why they are no family",
        )
        parser.add_argument(
            "--why", nargs=2, metavar="EVENT_TICKER", help="say why these two open events are a family, or none"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["why"]:
            self._why(*options["why"])
        elif options["pairs"]:
            self._pairs(as_json=options["json"])
        else:
            self._families(options)

    def _why(self, first: str, second: str) -> None:
        try:
            said = Pairs.read().why(first, second)
        except NoSuchPairError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{'a family' if said.code == FAMILY else f'no family ({said.code})'}: {said.sentence}")

    def _pairs(self, *, as_json: bool) -> None:
        found = Pairs.read().count()
        if as_json:
            self.stdout.write(json.dumps({code: asdict(one) for code, one in found.items()}, indent=1))
            return
        table = Table("reason", "pairs", "for instance", "because", box=None)
        for code, one in found.items():
            table.add_row(code, f"{one.pairs:,}", " + ".join(one.example), one.sentence)
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        show(console, table)
        console.print(
            f"{sum(one.pairs for one in found.values()):,} pairs of open events that share a settlement source and a close. "
            "--why EVENT_TICKER EVENT_TICKER says it of two."
        )

    def _families(self, options: dict[str, Any]) -> None:
        views = [view for view in universe.load().values() if view.members and view.atoms is not None]
        quotes = live_quotes.read(views)
        sizes = Sizes(max_cost=options["max_cost"], max_legs=options["max_legs"])
        judged = [_judge(live_quotes.overlay(view, quotes), sizes) for view in views]
        refused = list(RefusedFamily.objects.all())
        if options["atoms"]:
            self._atoms(judged, refused, options["atoms"])
        elif options["json"]:
            self.stdout.write(json.dumps([*map(_json, judged), *map(_refusal, refused)], indent=1))
        else:
            self._table(judged, refused)

    def _table(self, judged: list[Judged], refused: list[RefusedFamily]) -> None:
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        table = Table("family", "markets", "atoms", "result", box=None)
        for one in judged:
            atoms = one.view.atoms
            table.add_row(
                " + ".join(member.ticker for member in one.view.members),
                str(len(one.view.outcomes)),
                "" if atoms is None else str(len(atoms)),
                _words(one),
            )
        for row in refused:
            table.add_row(
                row.series_tickers,
                "",
                "",
                f"no certificate ({row.code}), {row.groups} group{'s' * (row.groups != 1)}: {row.sentence}",
            )
        show(console, table)
        found = sum(isinstance(one.outcome, FamilyBasket) for one in judged)
        total = f"{many(len(judged), 'family', 'families')}: {many(found, 'basket')}"
        console.print(
            f"{total}; {many(len(refused), 'list')} of series whose events make none. As the last scan "
            "found them, at the best prices of the catalogue, laid over by live ones; a cycle decides on books."
        )

    def _atoms(self, judged: list[Judged], refused: list[RefusedFamily], ticker: str) -> None:
        one = next((j for j in judged if ticker in j.view.books_of or ticker == j.view.ticker), None)
        if one is None or one.view.atoms is None:
            why = next((f": {r.sentence}" for r in refused if ticker in r.example.split(" + ")), "")
            raise CommandError(f"{ticker} is in no family{why}")
        atoms = one.view.atoms
        measure = None
        if one.view.fee_known:
            prices = {key: leg.cost / DOLLAR for key, leg in family_legs(one.view).items()}
            measure = centre(graphs.of(one.view.ticker, atoms), prices)
        table = Table("values", "YES pays in", "probability that agrees with all prices", box=None)
        for atom, paying in enumerate(atoms.paying()):
            share = "" if measure is None else f"{measure[atom]:.4f}"
            table.add_row(atoms.words(atom), ", ".join(paying) or "none", share)
        for words, paying in atoms.further():
            table.add_row(words, ", ".join(paying) or "none", "")
        if atoms.any_no:
            table.add_row("any market may resolve No by itself", "", "")
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        show(console, table)


def _judge(view: EventView, sizes: Sizes) -> Judged:
    if view.oddity or view.atoms is None:
        return Judged(view, view.oddity or "no atoms")
    try:
        legs = {leg.ticker: leg for leg in legs_of(view, live_quotes.best_depths(view))}
    except FeeError as error:
        return Judged(view, str(error))
    return Judged(view, Family(view.atoms).best(legs, sizes))


def _words(one: Judged) -> str:
    outcome = one.outcome
    if isinstance(outcome, str):
        return outcome
    if isinstance(outcome, NoBasket):
        return "none, proven" if outcome.coherent is not None else "less than fees and least counts ask for"
    return (
        f"{len(outcome.legs)} legs, {dollars(outcome.cost)} to pay {dollars(outcome.floor)} ({percent(outcome.margin_ppm)}), "
        f"{one.view.grade.label}"
    )


def _json(one: Judged) -> dict[str, Any]:
    found: dict[str, Any] = {
        "family": one.view.ticker,
        "events": [member.ticker for member in one.view.members],
        "grade": one.view.grade.label,
        "result": _words(one),
    }
    if isinstance(one.outcome, FamilyBasket):
        found |= {"cost": dollars(one.outcome.cost), "floor": dollars(one.outcome.floor)}
        found["legs"] = [
            {
                "ticker": leg.ticker,
                "side": leg.side.value,
                "count": format_count(leg.count),
                "limit_price": format_price(leg.limit_price),
            }
            for leg in one.outcome.legs
        ]
    return found


def _refusal(row: RefusedFamily) -> dict[str, Any]:
    return {
        "series": row.series_tickers.split(" + "),
        "groups": row.groups,
        "refused": row.code,
        "result": row.sentence,
    }
