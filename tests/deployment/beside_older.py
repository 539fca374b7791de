"""Open baskets on paper, prices that live, and the periodic messages that beat would send, for workers of two revisions.

Run with ``DATABASE_URL``, ``REDIS_URL`` and ``KALBOT_STATE`` of the workers. Each line of its input is answered with one line of JSON:
``buy N`` sends decisions for N more events, ``exit EVENT`` requests an exit as a person would, ``state`` shows every position.
"""

from __future__ import annotations

import json
import select
import sys
import time
from typing import Any, Final

import django

QUOTES: Final = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS: Final = (3_000, 3_200, 3_100)
PERIOD: Final = 2.0
"""Seconds between two sweeps, as in the schedule."""


class World:
    """What the workers trade on."""

    def __init__(self) -> None:
        from tests.trading import world

        world.active()
        world.exchange_open()
        self.profile = world.add_profile(sending="thinnest_first", max_price_age_ms=30_000)
        self.books: list[tuple[str, Any]] = []

    def publish(self) -> None:
        """Every price is of now."""
        from tests.trading import world

        for ticker, levels in self.books:
            world.publish(ticker, levels)

    def buy(self, count: str) -> list[str]:
        """Decisions for so many more events, sent as a strategy cycle sends them; the events."""
        from kalbot.common import messages
        from tests.trading import world

        rows = [world.add_event(f"KXT-{len(self.books) + number}") for number in range(int(count))]
        self.books += [(row.ticker, world.quoted(row, QUOTES)) for row in rows]
        self.publish()
        for row in rows:
            tickers = [f"{row.ticker}-{number}" for number in range(len(LIMITS))]
            decision = world.decide(self.profile, row, dict(zip(tickers, LIMITS, strict=True)))
            messages.send(messages.EXECUTE_DECISION, str(decision.pk))
        return [row.ticker for row in rows]

    def exit(self, event: str) -> int:
        """A person's request; its number."""
        from trading.closing import exits
        from trading.models import Position

        position = Position.objects.get(event=event)
        return exits.request_exit(position_id=position.pk, actor="ann", reason="sell", below_floor="a trial").pk

    def state(self) -> dict[str, Any]:
        """{event: [status, contracts bought of each leg, contracts sold of each leg, requests done]}."""
        from trading.models import ExitRequest, Position

        done = ExitRequest.Status.DONE
        return {
            str(one.event_id): [
                one.status,
                [leg.bought_count for leg in one.legs.order_by("market")],
                [leg.sold_count for leg in one.legs.order_by("market")],
                ExitRequest.objects.filter(position=one, status=done).count(),
            ]
            for one in Position.objects.order_by("event")
        }


def main() -> None:
    """Answer until the input ends."""
    from kalbot.common import messages

    here = World()
    print(json.dumps("ready"), flush=True)
    swept = 0.0
    while True:
        here.publish()
        if time.monotonic() - swept > PERIOD:
            swept = time.monotonic()
            messages.send(messages.SWEEP)
            messages.send(messages.SWEEP_EXITS)
        if not select.select([sys.stdin], [], [], 0.3)[0]:
            continue
        word, *rest = sys.stdin.readline().split() or [""]
        if not word:
            return
        print(json.dumps(getattr(here, word)(*rest)), flush=True)


if __name__ == "__main__":
    django.setup()
    main()
