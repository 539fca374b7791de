"""What happened in a run, to the letter: every request that changes something, and every row of trading at the end.

The same seed always gives the same, in any process. ``tests/faults/kept`` has what some seeds give, so that a change of what Kalbot does
shows as a difference that somebody reads; ``bin/faults --write-kept`` writes them again.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.apps import apps
from django.db.models import Field, ForeignKey, Model
from django.test import override_settings

if TYPE_CHECKING:
    from tests.faults.harness import Run

FOLDER: Final = Path(__file__).parent / "kept"
WORD: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
WRITES: Final = ("POST", "PUT", "DELETE")
LEFT_OUT: Final = {"lease_token", "states"}
"""Columns that are drawn by chance, or say what the decision says."""


class KeptRun(NamedTuple):
    """A kept run: its seed and the options of ``harness.run`` that are on."""

    seed: int
    options: tuple[str, ...]

    def recorded(self) -> str:
        """What happens in it now."""
        from tests.faults import harness

        with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
            return record(harness.run(self.seed, **dict.fromkeys(self.options, True)))  # type: ignore[arg-type]

    @property
    def path(self) -> Path:
        return FOLDER / f"{'-'.join([*self.options, str(self.seed)])}.txt"


def kept() -> list[KeptRun]:
    """Those that are kept, by their names."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        *options, seed = path.stem.split("-")
        found.append(KeptRun(int(seed), tuple(options)))
    return found


def record(run: Run) -> str:
    """All of it. Ids are numbered as they appear: a row's own goes on from run to run."""
    seen: dict[str, str] = {}
    text = "\n".join([*_log(run), "", *_rows()]) + "\n"
    return WORD.sub(lambda one: seen.setdefault(one[0], f"<{len(seen) + 1}>"), text)


def _log(run: Run) -> Iterator[str]:
    """What was done to the world and what was sent to the exchange: reads are left out."""
    for line in run.log:
        what = line.split(" ", 2)[1]
        if what in WRITES:
            yield line.split(" b'")[0]
        elif what != "GET":
            yield line[:300]
    for method, path, body in run.twin.session.sent:
        if method in WRITES:
            yield f"{method} {path.removeprefix('/trade-api/v2')} {json.dumps(body, sort_keys=True)}"


def _rows() -> Iterator[str]:
    """Every row of the app, its columns that say something."""
    models = sorted(apps.get_app_config("trading").get_models(), key=lambda model: model.__name__)
    numbers: dict[tuple[type[Model], Any], int] = {}
    rows = {model: list(model._default_manager.order_by("pk")) for model in models}
    for model, found in rows.items():
        found.sort(key=_since)
        for number, row in enumerate(found, 1):
            numbers[model, row.pk] = number
    for model, found in rows.items():
        for number, row in enumerate(found, 1):
            said = [text for column in model._meta.concrete_fields if (text := _column(column, row, numbers))]
            yield f"{model.__name__} {number}: " + ", ".join(said)


def _since(row: Model) -> tuple[str, int]:
    """Rows whose key is drawn by chance are numbered by the time at which they came."""
    if isinstance(row.pk, int):
        return "", row.pk
    return str(getattr(row, "created_at", "")), uuid.UUID(str(row.pk)).int if isinstance(row.pk, uuid.UUID) else 0


def _column(column: Field[Any, Any], row: Model, numbers: dict[tuple[type[Model], Any], int]) -> str:
    value = getattr(row, column.attname)
    if column.primary_key or column.name in LEFT_OUT or value in (None, "", 0, False, {}, []):
        return ""
    if isinstance(column, ForeignKey):
        return f"{column.name} {numbers.get((column.related_model, value), value)}"
    if isinstance(value, datetime):
        return f"{column.name} {value:%H:%M:%S.%f}"
    return f"{column.name} {json.dumps(value, sort_keys=True, default=str)}"
