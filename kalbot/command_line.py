"""``manage.py``: what the machine around it lacks is one sentence, not a traceback (``--traceback`` shows that)."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Run one command (``arguments``: of the process, its own name first). SystemExit as Django's, or 1 when database or Redis are away
    or a setting cannot be read."""
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(list(arguments))
    except Exception as error:
        words = missing(error)
        if not words or "--traceback" in arguments:
            raise
        print(f"manage.py: {words}", file=sys.stderr)
        sys.exit(1)


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
    return f"The database cannot be used ({first}). Is it running, and is DATABASE_URL right?"
