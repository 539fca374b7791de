"""An exchange to which something happens just before it takes an order: what a basket meets in mid purchase."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from simulator.exchange import Exchange
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin, TwinSession
from trading.execution import executor
from trading.models import Position

LIMITS = (3_000, 3_200, 3_100)


class Striking(TwinSession):
    """Does something to the exchange just before the n-th order is taken. ``answers``: other bodies, by the end of the path."""

    posts = 0

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.before: dict[int, Callable[[], object]] = {}
        self.answers: dict[str, bytes] = {}

    def send(self, request: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            self.posts += 1
            strike = self.before.pop(self.posts, None)
            if strike is not None:
                strike()
        response = super().send(request, **kwargs)
        for path, body in self.answers.items():
            if urlsplit(request.url).path.endswith(path):
                response.raw = BytesIO(body)
        return response


class StruckTwin(Twin):
    """An exchange to which something happens in mid basket."""

    session: Striking


def execute(twin: StruckTwin, count: int = 1_000, kind: str = "all_yes", **columns: Any) -> Position:
    """A live basket of all outcomes, as far as it goes at once."""
    profile = Profile.objects.filter(name="live").first() or world.add_profile("live", mode="live", **columns)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), count, kind)
    position = executor.execute(decision.pk)
    assert position is not None
    return position
