"""What the dashboard reads once for one answer, however many of its parts show it, and however many profiles there are."""

from __future__ import annotations

from functools import cached_property

from kalbot.console.ops.health import status
from kalbot.console.ops.health.part import Part
from kalbot.console.pages.home import obstacles, summary
from kalbot.console.pages.home.obstacles import Stops
from strategies.models import Profile
from trading import selectors
from trading.denials import DenialCode
from trading.limits import day
from trading.models import ACTIVE, Position, PositionStatus
from trading.selectors import HeldLeg

BUYING = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.EXECUTING)


class Reading:
    """One moment's facts, each read when it is first wanted. Made for one answer and forgotten with it."""

    def __init__(self, stops: Stops | None = None) -> None:
        self._stops = stops

    @cached_property
    def stops(self) -> Stops:
        """What stops new baskets; the banner's, where a whole page is answered."""
        return self._stops or obstacles.read()

    @cached_property
    def parts(self) -> list[Part]:
        """Every part of the system with its state."""
        return status.check()

    @cached_property
    def profiles(self) -> list[Profile]:
        """Every profile, by name."""
        return list(Profile.objects.order_by("name"))

    @property
    def active(self) -> list[Profile]:
        """Profiles that are switched on."""
        return [profile for profile in self.profiles if profile.is_active]

    def of_mode(self, mode: str) -> list[Profile]:
        """The profiles of one mode."""
        return [profile for profile in self.profiles if profile.mode == mode]

    @cached_property
    def realised_today(self) -> dict[int, int]:
        """Profit since midnight of each profile's own zone, micro-dollars, by profile id."""
        return day.realised_today(self.profiles)

    @cached_property
    def ended_today(self) -> dict[int, int]:
        """Positions that ended since that midnight, by profile id."""
        return summary.ended_today(self.profiles)

    @cached_property
    def at_work(self) -> dict[int, summary.AtWork]:
        """What is open, by profile id."""
        return summary.at_work()

    @cached_property
    def candidates(self) -> tuple[int, int]:
        """(events tradable now, events watched besides) for the active profiles."""
        return summary.candidate_events([profile.pk for profile in self.active])

    @cached_property
    def books(self) -> dict[int, dict[str, int]]:
        """The sums of each profile's ledger, by profile id."""
        return summary.ledger_summaries()

    @cached_property
    def naked(self) -> dict[int, tuple[HeldLeg, ...]]:
        """Positions that hold naked legs and are not being bought right now, by id; orphans of quotes, held inside their budget, are
        none, and neither is what is kept for what it is sure to pay."""
        held = Position.objects.filter(status__in=ACTIVE).exclude(status__in=BUYING)
        meant = (DenialCode.ORPHANS_HELD, DenialCode.HELD_FOR_FLOOR)
        return selectors.naked_legs(held.exclude(residual_code__in=meant))
