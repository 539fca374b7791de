"""A database in memory for one run, in the place of the real one: nothing that a replay does can reach what is live."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models

from kalbot.common.sqlite.base import DatabaseWrapper
from markets.models import Certificate, Event, FamilyMember, FeeChange, Market, RefusedFamily, Series
from strategies.models import FamilyGate, ProbabilityCorrection, SettlingTime
from trading.models import TradingState
from trading.safety import ledger_guard, mode_guard

VIEWED: Final = (
    *(Certificate, Event, FamilyMember, FeeChange, Market, RefusedFamily, Series),
    *(FamilyGate, ProbabilityCorrection, SettlingTime),
)
TABLES_OF = ("contenttypes", "auth", "markets", "strategies", "trading", "triage")


@contextmanager
def in_memory(seed: int) -> Iterator[Changes]:
    """Every query of this thread goes to an empty database in memory until the block ends. ``seed`` makes its keys repeatable. Gives
    what counts changes of its catalogue."""
    before = connections[DEFAULT_DB_ALIAS]
    settings: dict[str, Any] = {
        **before.settings_dict,
        "ENGINE": "kalbot.common.sqlite",
        "NAME": ":memory:",
        "OPTIONS": {},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "ATOMIC_REQUESTS": False,
        "AUTOCOMMIT": True,
    }
    ours = DatabaseWrapper(settings, DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS] = ours
    try:
        with _repeatable_keys(seed):
            _create(ours)
            yield Changes(ours)
    finally:
        connections[DEFAULT_DB_ALIAS] = before
        if ours.connection is not None:
            ours.connection.close()  # Django keeps a database in memory open


class Changes:
    """How often a row of the catalogue, or of what views of it are made of besides, was inserted, changed or deleted."""

    def __init__(self, connection: DatabaseWrapper) -> None:
        self.count = 0
        connection.connection.create_function("kalbot_changed", 0, self._count)
        with connection.cursor() as cursor:
            for model in VIEWED:
                table = model._meta.db_table
                for what in ("INSERT", "UPDATE", "DELETE"):
                    cursor.execute(
                        f"CREATE TRIGGER {table}_{what.lower()}_counts AFTER {what} ON {table} BEGIN SELECT kalbot_changed(); END"
                    )

    def _count(self) -> None:
        self.count += 1


def _create(connection: DatabaseWrapper) -> None:
    """Tables as the models have them, the triggers of sim and live and of the ledger, and the state in which trading is allowed."""
    with connection.schema_editor() as editor:
        for label in TABLES_OF:
            for model in apps.get_app_config(label).get_models():
                if model._meta.managed and not model._meta.proxy:
                    editor.create_model(model)
    mode_guard.install()
    ledger_guard.install()
    TradingState.objects.create(scope="global", state=TradingState.State.ACTIVE, actor="replay", reason="initial state")


@contextmanager
def _repeatable_keys(seed: int) -> Iterator[None]:
    """Rows that are named by random UUIDs get the same ones in every run: they decide the order of what happened at one instant."""
    numbers = random.Random(seed)

    def make() -> uuid.UUID:
        return uuid.UUID(int=numbers.getrandbits(128), version=4)

    fields = [
        field
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.UUIDField) and field.default is uuid.uuid4
    ]
    for field in fields:
        _set_default(field, make)
    try:
        yield
    finally:
        for field in fields:
            _set_default(field, uuid.uuid4)


def _set_default(field: models.Field[Any, Any], default: Any) -> None:
    field.default = default
    field.__dict__.pop("_get_default", None)  # Django keeps what it made of the default
