"""What was released is not edited: a database that ran a migration never runs it again. What is added lets the released version insert."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parents[2]
RELEASED = sorted((ROOT / "tests" / "data").glob("migrations-*.sha256"))
REFUSED: Final = {"trading_position.returned"}
"""Without a default so that 0.2.0 opens no position on this schema: it could not book what it buys (the ledger wants the fill)."""


def test_there_is_a_list_of_each_release() -> None:
    assert [path.stem for path in RELEASED] == ["migrations-0.2.0"]


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_released_migrations_are_as_they_were(released: Path) -> None:
    lines = [line.split() for line in released.read_text().splitlines()]
    assert len(lines) == 16
    for wanted, name in lines:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == wanted, name


def test_every_column_that_was_added_to_a_released_table_has_a_default_in_the_database() -> None:
    nodes = [Path(line.split()[1]) for path in RELEASED for line in path.read_text().splitlines()]
    loader = MigrationLoader(None, replace_migrations=False)
    released = loader.project_state([(path.parts[-3], path.stem) for path in nodes]).apps
    columns = {model._meta.db_table: {f.column for f in model._meta.local_fields} for model in released.get_models()}
    without = {
        f"{model._meta.db_table}.{field.column}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_fields
        if field.column not in columns.get(model._meta.db_table, {field.column})
        and not field.null
        and not field.has_db_default()
    }
    assert len(columns) > 40
    assert without == REFUSED, "give it db_default beside default: processes of the release before insert without it"
