"""A new database is made in one step by the squashed migrations; an old one goes file by file. Both end with the same tables and rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest

from kalbot.local.servers import start_postgres

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FILE_BY_FILE = """
import django
django.setup()
from django.core.management import call_command
from django.db.migrations import executor
from django.db.migrations.loader import MigrationLoader
class FileByFile(MigrationLoader):
    def load_disk(self):
        super().load_disk()
        for key in [key for key in self.disk_migrations if key[0] in ("markets", "strategies", "trading")]:
            if self.disk_migrations[key].replaces:
                del self.disk_migrations[key]
executor.MigrationLoader = FileByFile
call_command("migrate", verbosity=0)
"""

TABLES = """
import json
import re
import django
django.setup()
from django.db import connection
from trading.models import TradingState

def parts(sql):
    '''The columns and constraints between the outer brackets of a CREATE TABLE, in no order.'''
    depth, found = 0, [""]
    for character in sql[sql.index("(") + 1 : sql.rindex(")")]:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return sorted(one.strip() for one in found)

made = {}
with connection.cursor() as cursor:
    if connection.vendor == "sqlite":
        cursor.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        for kind, name, table, sql in cursor.fetchall():
            made[name] = parts(sql) if kind == "table" else sorted(sql.replace(",", " ").split())
    else:
        cursor.execute("SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity"
                       " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")
        made["columns"] = [list(row) for row in cursor.fetchall()]
        cursor.execute("SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
                       " WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2")
        made["constraints"] = [list(row) for row in cursor.fetchall()]
        cursor.execute("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2")
        made["indexes"] = [list(row) for row in cursor.fetchall()]
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2")
        made["triggers"] = [list(row) for row in cursor.fetchall()]
made["state"] = list(TradingState.objects.values_list("scope", "state"))
print(json.dumps(made))
"""


def run(database: str, *arguments: str) -> str:
    environment = os.environ | {"DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout


def tables(database: str) -> dict[str, Any]:
    return dict(json.loads(run(database, "-c", TABLES)))


def assert_same(in_one_step: str, file_by_file: str) -> None:
    run(in_one_step, "manage.py", "migrate", "-v0")
    run(file_by_file, "-c", FILE_BY_FILE)
    one, other = tables(in_one_step), tables(file_by_file)
    assert sorted(one) == sorted(other)
    for name in one:
        assert one[name] == other[name], name
    assert one["state"]
    assert "0001_squashed" in run(in_one_step, "manage.py", "showmigrations", "trading")
    run(file_by_file, "manage.py", "migrate", "-v0")  # an old database: nothing is run a second time
    assert tables(file_by_file) == other


def test_a_new_sqlite_database_has_the_tables_of_an_old_one(tmp_path: Path) -> None:
    assert_same(f"sqlite:///{tmp_path}/new.sqlite3", f"sqlite:///{tmp_path}/old.sqlite3")


def test_a_new_postgres_database_has_the_tables_of_an_old_one() -> None:
    with TemporaryDirectory(prefix="kalbot-postgres-") as folder:  # the server's own user must reach it
        Path(folder).chmod(0o755)
        server, url = start_postgres(Path(folder) / "postgres", durable=False)
        try:
            for name in ("made_in_one_step", "made_file_by_file"):
                server.psql(f"CREATE DATABASE {name}")
            assert_same(
                *(
                    urlsplit(url)._replace(path=f"/{name}").geturl()
                    for name in ("made_in_one_step", "made_file_by_file")
                )
            )
        finally:
            server.cleanup()
