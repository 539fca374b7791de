"""Exiting several positions of one mode with one reason. Each is a request of its own: one that is refused holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kalbot.common.units import PPM
from kalbot.common.wording import many
from trading.closing import exit_counts, exits
from trading.closing.exit_counts import Counts
from trading.closing.exit_prices import LeastPrices
from trading.denials import DenialCode, Refusal
from trading.models import ACTIVE, Position
from trading.safety import halt

log = logging.getLogger(__name__)
MOST: Final = 200
"""Positions in one request; each costs a transaction and a reading of its books."""


@dataclass(slots=True)
class Outcome:
    """Whose exit is under way, whose was refused and why, and whose could not be requested, by the position's id. ``waiting``: of those
    under way the ones that a halt holds."""

    requested: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """All of it in words."""
        number = len(self.requested)
        words = [f"{many(number, 'exit is', 'exits are')} {'requested' if self.waiting else 'on the way'}."]
        if self.waiting:
            named = ", ".join(f"#{pk}" for pk in self.waiting)
            words.append(
                f"Trading is halted, so only cancels are sent: {named} wait until a risk manager resumes or reduces."
            )
        words += [f"#{pk} is not: {one.code.sentence} {one.detail}".strip() for pk, one in self.refused.items()]
        if self.failed:
            named = ", ".join(f"#{pk}" for pk in self.failed)
            words.append(f"Could not be requested: {named}; the log has the details.")
        return " ".join(words)


def chosen(ids: Iterable[int]) -> list[Position]:
    """The active positions among ``ids``, oldest first, with what a preview needs."""
    rows = Position.objects.filter(pk__in=list(ids), status__in=ACTIVE).order_by("pk")
    return list(rows.select_related("profile", "decision", "event", "event__series"))


def why_not_together(positions: Sequence[Position]) -> str:
    """Why these positions are not exited in one request; empty when they can be."""
    if not positions:
        return "None of these positions is active."
    if len(positions) > MOST:
        return f"{len(positions)} positions are too many for one request; choose at most {MOST}."
    if len({position.mode for position in positions}) > 1:
        return "These are live and paper positions; choose those of one mode."
    return ""


def part_of(position: Position, share_ppm: int) -> Counts | None:
    """The counts of a share of a position; None for all of it. An empty answer is less than one step."""
    if share_ppm >= PPM:
        return None
    return exit_counts.of_share(
        list(position.legs.all()), position.target_count, share_ppm, position.profile.count_step
    )


def request(
    positions: Iterable[Position],
    *,
    actor: str,
    reason: str,
    share_ppm: int = PPM,
    least_prices: Mapping[int, LeastPrices] | None = None,
    below_floor: str = "",
    by_rest: bool = False,
) -> Outcome:
    """Request the exit of each; a fault of one holds up no other. ``share_ppm``: how much of each; ``least_prices``: by the position's id,
    else the bids of now less the tolerance. The other words are ``exits.request_exit``'s."""
    found = Outcome()
    for position in positions:
        counts = part_of(position, share_ppm)
        try:
            if counts is not None and not counts:
                raise exits.CannotExit(DenialCode.EXIT_COUNTS, "this share is less than one step")
            exits.request_exit(
                position_id=position.pk,
                actor=actor,
                reason=reason,
                least_prices=(least_prices or {}).get(position.pk),
                counts=counts,
                below_floor=below_floor,
                by_rest=by_rest,
            )
        except exits.CannotExit as error:
            found.refused[position.pk] = error.refusal
        except Exception:
            log.exception("the exit of position %s could not be requested", position.pk)
            found.failed.append(position.pk)
        else:
            found.requested.append(position.pk)
            if halt.exit_waits(position.profile):
                found.waiting.append(position.pk)
    return found
