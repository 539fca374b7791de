"""Capital is set aside, and what the limits depend on is read behind the locks that this takes, all in one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Model

from kalbot.common.db import direct, pipeline
from strategies.models import Mode
from trading.accounting import ledger, shard_cash
from trading.limits import facts
from trading.limits.facts import Facts
from trading.limits.intent import Intent


class Locked(NamedTuple):
    """``held``: whether there was as much capital; ``keys``: those of the rows that will be stored, where they are drawn before."""

    held: bool
    facts: Facts
    keys: direct.Keys


def lock(intent: Intent, keys: Mapping[type[Model], int]) -> Locked:
    """Set aside the capital, and hold the balance of the profile and, in live, the cash of its subaccount's shard, until the surrounding
    transaction ends. ``keys``: how many rows of which models will be stored in it."""
    decision, profile = intent.decision, intent.profile
    shard = (profile.subaccount or 0, decision.event.exchange_index)
    locks = [shard_cash.locking(*shard)] if profile.mode == Mode.LIVE else []
    wanted = [ledger.holding(profile, intent.funds), *locks, intent.reading, *direct.drawing(keys)]
    answers = iter(pipeline.rows_of(*wanted))
    held = bool(next(answers))
    is_locked = not locks or bool(next(answers))
    read = next(answers)
    if not is_locked:
        shard_cash.lock(*shard)
        (read,) = pipeline.rows_of(intent.reading)
    return Locked(held, facts.of_rows(decision, read), direct.drawn(keys, next(answers, ())))
