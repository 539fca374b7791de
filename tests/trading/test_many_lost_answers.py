"""Orders whose answers were lost are brought up to date with statements that are compiled once, however many they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.sql.compiler import SQLCompiler

from bench._filled import place_many
from tests.trading import world
from tests.trading.twin import Twin
from trading.models import Order
from trading.reconciliation import reconcile


def _compiled(twin: Twin, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many statements the ORM compiles to repair so many orders."""
    market = twin.add_market([(4_000, 10**9)], [(4_200, 10**9)])
    rows = place_many(twin, world.add_profile(f"of {count}", mode="live"), market, count)
    made = 0
    compile_sql = SQLCompiler.as_sql

    def counted(self: SQLCompiler, *args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return compile_sql(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(SQLCompiler, "as_sql", counted)
        row = reconcile.run("live", "test")
    assert row.error == ""
    found = Order.objects.filter(pk__in=rows)
    assert {(one.status, one.filled_count, one.reported_fill_count) for one in found} == {("done", 1, 1)}
    assert all(one.exchange_order_id for one in found)
    return made


def test_no_statement_is_compiled_for_each_order(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    _compiled(twin, 1, monkeypatch)
    assert _compiled(twin, 30, monkeypatch) <= _compiled(twin, 3, monkeypatch) + 3
