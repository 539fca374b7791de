"""Fixtures of every package: real Redis (see tests/servers.py), the recordings, and what a database test needs."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

# how long an example takes, or its making, says only what else the machine has to do
hypothesis_settings.register_profile("kalbot", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("kalbot")

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KALBOT_SHARED", ROOT.parent / "shared")) / "kalshi"
REMEMBERING = (
    "strategies.screening.verdict_rows",
    "strategies.screening.watchlist",
    "strategies.cycle.candidates",
    "strategies.cycle.concerned",
    "strategies.cycle.estimates",
    "strategies.cycle.event_cache",
    "strategies.cycle.memo",
    "strategies.cycle.near_misses",
    "strategies.cycle.quote_records",
    "trading.execution.handed",
    "trading.limits.day",
    "trading.venues.account_limits",
    "triage.learning.current",
)
"""Modules that keep what they read for as long as nothing says that it has changed."""
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server", "django_db_reset_sequences"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-tests-only", action="store_true", help="only tests that touch the database")
    parser.addoption("--one-row-each", action="store_true", help="of a parametrized test its first row alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    without = [] if SHARED.is_dir() else [item for item in items if "shared" in item.keywords]
    for item in without:
        item.add_marker(
            pytest.mark.skip(reason=f"the large recordings are not beside this checkout ({SHARED.parent.name}/)")
        )
    if config.getoption("--database-tests-only"):
        wanted = [item for item in items if _touches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if not _touches_database(item)])
        items[:] = wanted
    if config.getoption("--one-row-each"):
        rows = {item.nodeid.split("[")[0]: item for item in reversed(items)}
        wanted = [item for item in items if rows[item.nodeid.split("[")[0]] is item or _is_about_the_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


class ByFile(LoadScopeScheduling):
    """What stands together of a file runs in one process, which makes once what the tests share. Those with real transactions stand
    at the end: their flush takes away what migrations made. Fault schedules are shared out one by one, so that no process is left
    with the longest file. (The groups of xdist 3.8 are lost on pytest 9: each test was one of its own.)"""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self.file, self.number, self.scopes = "", 0, dict[str, str]()

    def _split_scope(self, nodeid: str) -> str:
        """First of every test in their order, later of single ones."""
        if nodeid not in self.scopes:
            file = nodeid if "tests/faults/test_schedules" in nodeid else nodeid.split("::")[0]
            self.number += file != self.file
            self.file = file
            self.scopes[nodeid] = f"{self.number} {file}"
        return self.scopes[nodeid]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What collection made stays until the end, so the garbage collector need not walk it again and again: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _touches_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or bool(
        DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
    )


def _is_about_the_database(item: pytest.Item) -> bool:
    """Whether every row may say something else on another database: real transactions, or marked so."""
    marker = item.get_closest_marker("django_db")
    return bool(item.get_closest_marker("each_row") or (marker and marker.kwargs.get("transaction")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of Kalshi's specification and the large recordings. Mark such tests ``shared``."""
    if not SHARED.is_dir():
        pytest.skip("the large recordings are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def recorded(shared: Path) -> Path:
    """The folder of recorded production data."""
    return shared / "recorded"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The place that pytest-django has for what must be done before a database is made."""
    from tests import databases

    databases.install()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Whoever is still connected at the end keeps the database from being dropped, and is named with what it did last."""
    yield
    from django.db import connection

    if connection.vendor != "postgresql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, state, query FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        others = cursor.fetchall()
    if others:
        names = ", ".join(thread.name for thread in threading.enumerate())
        warnings.warn(f"still connected to the test database: {others}; threads: {names}", stacklevel=1)


@pytest.fixture
def redis_db() -> Iterator[object]:
    """The prices database of the real Redis, empty before and after."""
    from kalbot.common import cache
    from strategies.cycle import candidates
    from strategies.screening import verdict_rows

    candidates.forget()  # a new database begins to count its versions again
    verdict_rows.forget()
    client = cache.prices()
    client.flushdb()
    cache.broker().flushdb()
    yield client
    client.flushdb()


@pytest.fixture(autouse=True)
def _no_memory_of_the_test_before() -> None:
    """What a process remembers is vouched for by versions in a database, and that of the test before is gone."""
    for name in REMEMBERING:
        if name in sys.modules:
            sys.modules[name].forget()
    connection = sys.modules.get("trading.venues.connection")
    if connection is not None:
        connection.forget()


@pytest.fixture(autouse=True)
def _rows_kept_forever_go_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test with real transactions ends with a flush, which the ledger's triggers would refuse and which restores them."""
    marker = request.node.get_closest_marker("django_db")
    real = "transactional_db" in request.fixturenames or (marker is not None and marker.kwargs.get("transaction"))
    if not real:
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    from trading.safety import ledger_guard

    ledger_guard.remove()
