"""How test databases begin, and how they are emptied, without doing again and again what comes out the same.

The migrated database of SQLite is made once for each state of the product's code, then copied: migrating takes eight seconds of
processor time, a copy two. Tests on Postgres and those of a new installation migrate each time. After a test with real
transactions the tables are emptied except those that migrating fills, roles and permissions: filling them took as long as many
of these tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.commands import flush as _flush
from django.db.backends.sqlite3.creation import DatabaseCreation as _DatabaseCreation

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".test" / "migrated"
PACKAGES = ("kalbot", "markets", "strategies", "trading", "triage", "backtest")
MOST_KEPT = 4
FILLED_BY_MIGRATING = {"django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


def install() -> None:
    """From now on Django's test databases on SQLite begin as copies, and flushes leave what migrating filled. ``migrate`` runs on a
    copy too, so its signals are sent."""
    DatabaseCreation.create_test_db = _create_test_db
    DatabaseCreation._create_test_db = _create_as_copy
    flush.sql_flush = _sql_flush
    flush.emit_post_migrate_signal = _put_triggers_back


flush: Any = _flush
DatabaseCreation: Any = _DatabaseCreation
"""Both are changed in places that have no types."""
_create = DatabaseCreation.create_test_db
_create_empty = DatabaseCreation._create_test_db
_holders: list[sqlite3.Connection] = []
"""A database in memory lives as long as somebody is connected to it."""


def _create_test_db(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Processes that begin together wait for the one of them that migrates."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = _kept()
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            fcntl.flock(lock, fcntl.LOCK_UN)
            return _create(self, *args, **kwargs)
        name = _create(self, *args, **kwargs)
        with closing(sqlite3.connect(unfinished := kept.with_suffix(".unfinished"))) as copy:
            self.connection.connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        unfinished.replace(kept)
        for old in sorted(FOLDER.glob("*.sqlite3"), key=lambda path: path.stat().st_mtime)[:-MOST_KEPT]:
            old.unlink()
        return name


def _create_as_copy(self: Any, *args: Any, **kwargs: Any) -> str:
    name = str(_create_empty(self, *args, **kwargs))
    if (kept := _kept()).exists():
        os.utime(kept)
        holder = sqlite3.connect(name, uri=True)
        with closing(sqlite3.connect(f"file:{kept}?mode=ro", uri=True)) as source:
            source.backup(holder)
        _holders.append(holder)
    return name


def _sql_flush(style: Any, connection: Any, **how: Any) -> list[str]:
    there = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return list(connection.ops.sql_flush(style, [name for name in there if name not in FILLED_BY_MIGRATING], **how))


def _put_triggers_back(verbosity: int, interactive: bool, db: str, **signal: Any) -> None:
    from trading.safety import ledger_guard, mode_guard

    for guard in (mode_guard, ledger_guard):
        guard.install(using=db)


def _kept() -> Path:
    digest = hashlib.sha256((ROOT / "requirements-dev.lock").read_bytes())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return FOLDER / f"{digest.hexdigest()[:24]}.sqlite3"
