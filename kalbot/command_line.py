"""``manage.py``: what the machine around it lacks is one sentence, not a traceback (``--traceback`` shows that)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    """Run one command (``arguments``: of the process, its own name first). SystemExit as Django's, or 1 when database or Redis are away
    or a setting cannot be read."""
    from django.core.management import execute_from_command_line

    try:
        if arguments[1:2] == ["migrate"]:
            _make_folder()
        execute_from_command_line(list(arguments))
    except Exception as error:
        words = missing(error)
        if not words or "--traceback" in arguments:
            raise
        print(f"manage.py: {words}", file=sys.stderr)
        sys.exit(1)


def _make_folder() -> None:
    """The folder of the SQLite database, which SQLite does not make; nothing where another database is used. ImproperlyConfigured where it
    cannot be made."""
    from django.core.exceptions import ImproperlyConfigured

    name = _sqlite_file()
    if name is None:
        return
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The folder of the database, {name.parent}, cannot be made ({error.strerror})."
        ) from None


def _sqlite_file() -> Path | None:
    from django.conf import settings

    found = settings.DATABASES["default"]
    return Path(found["NAME"]) if "sqlite" in found["ENGINE"] else None


def missing(error: Exception) -> str:
    """What is not there when a command ends with this error, and what helps; empty for any other fault."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError, InterfaceError
    from redis.exceptions import RedisError

    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, ImproperlyConfigured):
        return f"{error} It is read from the environment or from .env: see docs/configuration.md."
    if isinstance(error, RedisError):
        return f"Redis does not answer ({first}). Start it, or name the right one in REDIS_URL."
    if not isinstance(error, DatabaseError | InterfaceError):
        return ""
    if any(words in first for words in ("no such table", "no such column", "does not exist")):
        return f"The database has not the tables of this version ({first}). Run: python manage.py migrate"
    if first == "unable to open database file":
        return f"There is no database yet, or it cannot be read: {_sqlite_file()}. Run: python manage.py migrate"
    return f"The database cannot be used ({first}). Is it running, and is DATABASE_URL right?"
