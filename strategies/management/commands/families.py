"""``manage.py families``: the best basket across the events of each family of the open catalogue, or the proof that there is none."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from kalbot.common.units import Money, UnitError, dollars, format_count, format_price, parse_money
from markets.fees import FeeError
from markets.terms.atoms import AtomError, Atoms
from markets.terms.families import FamilyCertificate, FamilyRefusal
from markets.terms.special_settlements import IN_NO_GRADE
from strategies.catalogue import families, live_quotes, universe
from strategies.catalogue.families import Group
from strategies.cycle.evaluation import legs_of
from strategies.dutch.basket import LegMarket
from strategies.explain.book_evaluation import percent
from strategies.families.basket import Family, FamilyBasket, NoBasket
from strategies.families.limits import Sizes

WIDTH = 150


class Judged(NamedTuple):
    """One group: its basket, the proof that there is none, or why it is no family."""

    group: Group
    atoms: Atoms | None
    outcome: FamilyBasket | NoBasket | FamilyRefusal


class Command(BaseCommand):
    help = (
        "Families of open events on one value: baskets across them at the best prices, or the proof that there is none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--max-cost", help="dollars that a basket may cost")
        parser.add_argument("--max-legs", type=int, help="orders that a basket may have")
        parser.add_argument("--atoms", metavar="EVENT_TICKER", help="print the atoms of this event's family")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            most = None if options["max_cost"] is None else Money(parse_money(options["max_cost"]))
        except UnitError as error:
            raise CommandError(str(error)) from None
        events = universe.load(deep=True)
        quotes = live_quotes.read(events.values())
        events = {ticker: live_quotes.overlay(event, quotes) for ticker, event in events.items()}
        judged = [
            _judge(group, Sizes(max_cost=most, max_legs=options["max_legs"]))
            for group in families.groups(events.values())
        ]
        if options["atoms"]:
            self._atoms(judged, options["atoms"])
        elif options["json"]:
            self.stdout.write(json.dumps([_json(one) for one in judged], indent=1))
        else:
            self._table(judged)

    def _table(self, judged: list[Judged]) -> None:
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else WIDTH)  # type: ignore[arg-type]
        table = Table("family", "markets", "atoms", "result", box=None)
        for one in judged:
            markets = sum(len(event.outcomes) for event in one.group.events)
            table.add_row(one.group.name, str(markets), "" if one.atoms is None else str(len(one.atoms)), _words(one))
        console.print(table)
        found = sum(isinstance(one.outcome, FamilyBasket) for one in judged)
        refused = sum(isinstance(one.outcome, FamilyRefusal) for one in judged)
        console.print(
            f"{len(judged)} groups: {found} baskets, {refused} without a family certificate, the others proven to have none. "
            "Best prices of the catalogue, laid over by live ones; a cycle decides on books. "
            f"{IN_NO_GRADE}"
        )

    def _atoms(self, judged: list[Judged], ticker: str) -> None:
        one = next((j for j in judged if any(event.ticker == ticker for event in j.group.events)), None)
        if one is None or one.atoms is None:
            raise CommandError(f"{ticker} is in no family{'' if one is None else ': ' + _words(one)}")
        coherent = one.outcome.coherent if isinstance(one.outcome, NoBasket) else None
        table = Table("values", "YES pays in", "probability that agrees with all prices", box=None)
        for atom in range(len(one.atoms)):
            paying = [t for t, (low, high) in one.atoms.spans.items() if low <= atom < high]
            share = "" if coherent is None else f"{coherent.measure[atom]:.4f}"
            table.add_row(one.atoms.words(atom), ", ".join(paying) or "none", share)
        Console(file=self.stdout, width=WIDTH).print(table)  # type: ignore[arg-type]


def _judge(group: Group, sizes: Sizes) -> Judged:
    if isinstance(group.found, FamilyRefusal):
        return Judged(group, None, group.found)
    try:
        atoms = _atoms_of(group.found)
        depths = families.quoted_depths(group.events)
        legs: dict[str, LegMarket] = {leg.ticker: leg for event in group.events for leg in legs_of(event, depths)}
    except (AtomError, FeeError) as error:
        return Judged(group, None, FamilyRefusal("fee_type" if isinstance(error, FeeError) else "strikes", str(error)))
    return Judged(group, atoms, Family(atoms).best(legs, sizes))


def _atoms_of(certificate: FamilyCertificate) -> Atoms:
    return Atoms.of(certificate.intervals, nobody=certificate.nobody, any_no=certificate.any_no)


def _words(one: Judged) -> str:
    outcome = one.outcome
    if isinstance(outcome, FamilyRefusal):
        return f"no certificate ({outcome.code}): {outcome.sentence}"
    if isinstance(outcome, NoBasket):
        return "none, proven" if outcome.coherent is not None else "less than fees and least counts ask for"
    assert isinstance(one.group.found, FamilyCertificate)
    return (
        f"{len(outcome.legs)} legs, {dollars(outcome.cost)} to pay {dollars(outcome.floor)} ({percent(outcome.margin_ppm)}), "
        f"{one.group.found.grade.label}"
    )


def _json(one: Judged) -> dict[str, Any]:
    found: dict[str, Any] = {"events": [event.ticker for event in one.group.events], "result": _words(one)}
    if isinstance(one.group.found, FamilyCertificate):
        found |= {"grade": one.group.found.grade.label, "in_no_grade": IN_NO_GRADE}
    if isinstance(one.outcome, FamilyRefusal):
        found["refused"] = one.outcome.code
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
