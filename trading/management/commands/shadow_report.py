"""manage.py shadow_report [--profile NAME] [--days 30] [--json]: paper against live on the same decisions."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import clock, commands
from kalbot.common.units import dollars
from kalbot.common.wording import many
from strategies.cycle import shadows
from strategies.models import Profile
from trading import shadow
from trading.shadow import Pair, Report

LISTED = 40


class Command(commands.Command):
    example = "manage.py shadow_report --days 7"
    help = "Compare each paper twin with its live profile, decision by decision."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--profile", help="Only this live profile.")
        parser.add_argument("--days", type=float, default=30.0, help="Decisions of the last days (default 30).")
        parser.add_argument("--json", action="store_true", help="Everything, for a program.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= 3_650:
            raise CommandError("--days must be more than 0 and at most 3650.")
        twins = Profile.objects.exclude(shadow_of=None).select_related("shadow_of").order_by("name")
        named = profile_named(options["profile"])
        if named is not None:
            twins = twins.filter(shadow_of=named)
        since = clock.now() - timedelta(days=options["days"])
        found = [shadow.report(twin.shadow_of, twin, since) for twin in twins if twin.shadow_of is not None]
        if not found:
            raise CommandError(
                "No live profile has a paper twin here. Make one on the page of a live profile, or with: manage.py shadow"
            )
        if options["json"]:
            self.stdout.write(json.dumps([as_json(one) for one in found], indent=1, default=str))
            return
        for one in found:
            self._print(one)

    def _print(self, found: Report) -> None:
        same = many(len(found.pairs), "same decision")
        self.stdout.write(f"{found.live.name} (live) and {found.paper.name} (paper): {same}")
        unlike = shadows.differing(found.live, found.paper)
        if unlike:
            self.say(f"settings differ, so this is no fair comparison: {', '.join(unlike)}", "  ")
        filled = ", ".join(f"{name} {n}" for name, n in found.filled().items())
        self.say(f"filled: {filled}; {found.unshadowed} live decisions without a twin's", "  ")
        gap = found.price_gap
        price = "no pair that both bought" if gap is None else f"median {dollars(gap)} a contract (live less paper)"
        self.say(f"price paid: {price}", "  ")
        self.say(
            f"result of the {len(found.compared)} with the same fill that both ended: live {dollars(found.live_result)}, "
            f"paper {dollars(found.paper_result)}; paper flatters by {dollars(found.flattery)}",
            "  ",
        )
        for (mode, code), number in found.denied.items():
            self.say(f"not compared: {number} denied {mode} by our own checks ({code})", "  ")
        if found.unlike:
            live, paper = (
                dollars(sum(getattr(one, side).result or 0 for one in found.unlike)) for side in ("live", "paper")
            )
            self.say(f"not compared: {len(found.unlike)} filled differently; live {live}, paper {paper}", "  ")
        heads = f"  {'decided (UTC)':17} {'event':26} {'live':>22} {'paper':>22} {'live':>11} {'paper':>11}"
        if not self.stdout.isatty():
            self.stdout.write(heads)
        for pair in found.pairs[-LISTED:]:
            title = f"{pair.decided_at:%m-%d %H:%M:%S} UTC {pair.event}"
            self.facts(title, [(mode, "; ".join(side)) for mode, side in sides(pair).items()], f"  {row(pair)}")
        if len(found.pairs) > LISTED:
            self.say(f"... and {len(found.pairs) - LISTED} earlier ones; --json lists all", "  ")


def profile_named(name: str | None) -> Profile | None:
    """The profile of that name; a sentence instead of a traceback when there is none."""
    if name is None:
        return None
    try:
        return Profile.objects.get(name=name)
    except Profile.DoesNotExist:
        known = ", ".join(Profile.objects.order_by("name").values_list("name", flat=True)) or "none"
        raise CommandError(f'There is no profile "{name}"; known: {known}.') from None


def sides(pair: Pair) -> dict[str, tuple[str, str]]:
    """(what became of it, result) by mode."""
    return {
        mode: (
            f"{side.filled / 100:g}/{pair.wanted / 100:g} {side.outcome}",
            dollars(side.result) if side.result is not None else "open",
        )
        for mode, side in (("live", pair.live), ("paper", pair.paper))
    }


def row(pair: Pair) -> str:
    """One pair as a line of the table."""
    (live, made_live), (paper, made_paper) = sides(pair).values()
    return (
        f"{pair.decided_at:%m-%d %H:%M:%S}    {pair.event[:26]:26} {live[:22]:>22} {paper[:22]:>22} "
        f"{made_live:>11} {made_paper:>11}"
    )


def as_json(found: Report) -> dict[str, Any]:
    """The whole report; money in micro-dollars, counts in 1/100."""
    return {
        "live": found.live.name,
        "paper": found.paper.name,
        "settings_differ": shadows.differing(found.live, found.paper),
        "unshadowed": found.unshadowed,
        "filled": found.filled(),
        "ended": len(found.ended),
        "compared": len(found.compared),
        "denied": {f"{mode}: {code}": number for (mode, code), number in found.denied.items()},
        "filled_differently": len(found.unlike),
        "live_result": found.live_result,
        "paper_result": found.paper_result,
        "flattery": found.flattery,
        "median_price_gap": found.price_gap,
        "pairs": [asdict(pair) for pair in found.pairs],
    }
