"""Between two scheduled runs: what makes an assessment due at once. Coverage that crossed a line, and what the exchange announced."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import redis
from django.db.models import Max

from kalbot.common import cache, clock
from kalbot.common.db.batches import batched
from markets.models import ExchangeMessage, Market
from markets.prices import Prices
from strategies.models import Kind
from trading.closing import waiting
from trading.models import Position
from triage.assessment.assess import market_belief
from triage.assessment.gather import gather

LIFECYCLE: Final = ("lifecycle", "event_lifecycle")
CURSOR_KEY: Final = cache.key("triage:lifecycle")
BATCH: Final = 250
MOVE: Final = 0.05
"""A move of coverage since the last assessment that is worth one of its own."""


def crossed(position_ids: Sequence[int], seconds: float = 60.0, reader: Prices | None = None) -> list[int]:
    """Those whose coverage is now on the other side of the profile's line than at the last assessment, or moved by ``MOVE``.

    Positions that were never assessed are due in any case; those without usable prices are left to the schedule, and so are
    those that the time does not reach."""
    found: list[int] = []
    deadline = clock.monotonic() + seconds
    for batch in batched(position_ids, BATCH):
        if clock.monotonic() > deadline:
            break
        found += _crossed(batch, reader)
    return found


def _crossed(position_ids: Sequence[int], reader: Prices | None) -> list[int]:
    found = []
    for item in gather(position_ids, clock.now_ms(), reader, with_families=False):
        belief = market_belief(item.case) if item.case.now.price_problem is None else None
        if belief is None:
            continue
        covered = {leg.ticker for leg in item.case.legs if leg.side.value == "yes"}
        now, before = sum(belief.get(t, 0.0) for t in covered), item.baseline.last.get("coverage")
        line = item.case.thresholds.coverage_line
        if before is None or abs(now - before) >= MOVE or (line is not None and (now < line) != (before < line)):
            found.append(item.position.pk)
    return found


def announced() -> list[int]:
    """Open positions about whose event the exchange has said something (pause, close, determination, changed times, a new
    outcome) that has been applied since the last call.

    The place in the inbox is kept in Redis; where it is not known, the reading starts at the newest message."""
    newest = ExchangeMessage.objects.exclude(applied_at=None).filter(kind__in=LIFECYCLE).aggregate(n=Max("pk"))["n"]
    if newest is None:
        return []
    try:
        before: bytes | None = cache.prices().getset(CURSOR_KEY, newest)  # type: ignore[assignment]
    except redis.RedisError:
        return []
    if before is None or int(before) >= newest:
        return []
    rows = ExchangeMessage.objects.filter(pk__gt=int(before), pk__lte=newest, kind__in=LIFECYCLE)
    events = set(Market.objects.filter(ticker__in=rows.values("market_ticker")).values_list("event_id", flat=True))
    events |= {p.get("event_ticker", "") for p in rows.filter(kind="event_lifecycle").values_list("payload", flat=True)}
    positions = Position.objects.filter(waiting.advised(), event_id__in=events)
    return list(positions.values_list("pk", flat=True))


def coverage_position_ids() -> list[int]:
    """Open coverage positions, the kind with a loss state: those of one event together, beginning anywhere."""
    rows = Position.objects.filter(waiting.advised(), kind=Kind.COVERAGE).order_by("event_id", "pk")
    ids = list(rows.values_list("pk", flat=True))
    start = random.randrange(len(ids)) if ids else 0
    return ids[start:] + ids[:start]
