"""A statement that is converted once is the one that Django makes of it each time."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.backends.sqlite3 import base as django
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common.sqlite import base

PARTS = st.sampled_from(["%s", "%%", "%", "?", "'", " ", "x", "%(a)s", "LIKE '%%s'"])


@given(st.lists(PARTS).map("".join), st.sampled_from([1, 20_000]))
def test_a_statement_is_converted_as_django_does(query: str, times: int) -> None:
    query *= times
    for _ in range(2):
        assert base.Cursor.convert_query(
            object.__new__(base.Cursor), query
        ) == django.SQLiteCursorWrapper.convert_query(object.__new__(django.SQLiteCursorWrapper), query)


@pytest.mark.django_db
def test_values_arrive_by_place_and_by_name() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the other backend")
    with connection.cursor() as cursor:
        for _ in range(2):
            assert cursor.execute("SELECT %s, '%%', %s", [1, "%s"]).fetchall() == [(1, "%", "%s")]
            assert cursor.execute("SELECT %(b)s, %(a)s", {"a": 1, "b": 2}).fetchall() == [(2, 1)]
