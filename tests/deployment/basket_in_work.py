"""Rows, prices and decisions for a worker that is to be ended in the middle of a basket: keeps the prices young until its input ends.

Run with ``KALBOT_STATE`` and ``REDIS_URL`` of the worker. Prints a line when the decisions have been sent.
"""

from __future__ import annotations

import select
import sys

import django

QUOTES = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = (3_000, 3_200, 3_100)


def main(events: int) -> None:
    """Prepare ``events`` events and a decision for each."""
    from django.core.management import call_command

    from kalbot.common import messages
    from tests.trading import world

    call_command("migrate", verbosity=0)
    world.active()
    world.exchange_open()
    profile = world.add_profile(sending="thinnest_first", max_price_age_ms=5_000)
    rows = [world.add_event(f"KXT-{number}") for number in range(events)]
    books = [(row.ticker, world.quoted(row, QUOTES)) for row in rows]
    for ticker, levels in books:
        world.publish(ticker, levels)
    for row in rows:
        tickers = [f"{row.ticker}-{number}" for number in range(len(LIMITS))]
        decision = world.decide(profile, row, dict(zip(tickers, LIMITS, strict=True)))
        messages.send(messages.EXECUTE_DECISION, str(decision.pk))
    print("sent", flush=True)
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        for ticker, levels in books:
            world.publish(ticker, levels)


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]))
