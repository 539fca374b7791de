"""``bin/backup FOLDER`` and ``bin/restore DUMP``: pg_dump and pg_restore, with what the code was when the dump was made.

A dump lies beside a JSON file with its time, SHA-256, the code's version and every migration that had run. A restore wants an empty
database and code that knows those migrations; afterwards trading is halted, because the exchange has gone on since: a person lets
reconciliation compare, and resumes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from kalbot.local import tape_position

ROOT: Final = Path(__file__).resolve().parents[2]


class BackupError(Exception):
    """A dump could not be made or restored; the message says why."""


def save(folder: Path) -> Path:
    """Dump the database of the settings into ``folder``. Returns the dump. Raises BackupError."""
    url = database_url()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = datetime.now(UTC)
    dump = folder / f"kalbot-{now:%Y%m%dT%H%M%SZ}.dump"
    partial = dump.with_suffix(".partial")
    try:
        partial.touch(mode=0o600)  # nobody else reads it while it is written either
        run(
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={partial}",
            f"--dbname={without_password(url)}",
        )
        about = {
            "made_at": now.isoformat(),
            "code": code_version(),
            "migrations": sorted(applied()),
            "tape": tape_position.position(tape_folder()),
            "sha256": digest(partial),
        }
        described(dump).write_text(json.dumps(about, indent=1) + "\n")
        partial.rename(dump)
    except BaseException:  # half a dump would fill what the next one needs
        for left in (partial, described(dump)):
            left.unlink(missing_ok=True)
        raise
    return dump


def load(dump: Path) -> dict[str, Any]:
    """Restore ``dump`` into the empty database of the settings and halt trading. Returns what was said of the dump. Raises BackupError."""
    url = database_url()
    try:
        about: dict[str, Any] = json.loads(described(dump).read_text())
        missing = {"made_at", "code", "migrations", "sha256"} - set(about)
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{described(dump)}, which says what the dump is, cannot be read: {error}") from None
    if missing:
        raise BackupError(f"{described(dump)} is not from bin/backup: it lacks {', '.join(sorted(missing))}.")
    if digest(dump) != about.get("sha256"):
        raise BackupError(f"{dump} is not the file that was dumped: its SHA-256 differs.")
    unknown = sorted(set(about["migrations"]) - known())
    if unknown:
        raise BackupError(
            f"The dump is of newer code ({about['code']}): {unknown[0]} and {len(unknown) - 1} more are unknown here."
        )
    if tables():
        raise BackupError("The database is not empty; create another one and name it in DATABASE_URL.")
    run(
        "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        "--no-privileges",
        f"--dbname={without_password(url)}",
        str(dump),
    )
    halt(about)
    return about


def halt(about: dict[str, Any]) -> None:
    """Migrate to this code, and let nothing new be bought before a person has compared with the exchange."""
    from django.core.management import call_command

    from kalbot.console.auth import audit
    from trading.safety import halt as trading_state

    call_command("migrate", verbosity=0, interactive=False)
    reason = f"restored from the dump of {about['made_at'][:19]}; reconcile before you resume"
    trading_state.set_state(state=trading_state.State.HALTED, actor="restore", reason=reason)
    audit.record("restore", actor=audit.terminal_user(), reason=reason, target="the database")


def tape_folder() -> str:
    """Where the settings have the tape; empty without one."""
    from django.conf import settings

    return str(settings.KALBOT_TAPE_DIR)


def database_url() -> str:
    """The settings' Postgres. Raises BackupError for another one."""
    from django.conf import settings

    if not settings.DATABASE_URL.startswith(("postgres://", "postgresql://")):
        raise BackupError("DATABASE_URL names no Postgres; copy the file of a SQLite database while nothing runs.")
    return str(settings.DATABASE_URL)


def without_password(url: str) -> str:
    """An address that anybody may see in the list of processes."""
    return url.replace(f":{urlsplit(url).password or ''}@", "@", 1)


def secret() -> dict[str, str]:
    """The password of the settings' address, as Postgres' programs read it from the environment."""
    password = urlsplit(database_url()).password
    return {"PGPASSWORD": unquote(password)} if password else {}


def applied() -> set[str]:
    """Migrations that ran in the database, as ``app.name``."""
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    return {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}


def known() -> set[str]:
    """Migrations of this code, as ``app.name``."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    return {f"{app}.{name}" for app, name in MigrationLoader(connection).disk_migrations}


def tables() -> list[str]:
    """Tables of the database."""
    from django.db import connection

    return connection.introspection.table_names()


def code_version() -> str:
    """The commit that this code is of, or ``unknown`` in an image."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--tags"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def described(dump: Path) -> Path:
    """The file that says what a dump is."""
    return dump.with_suffix(".json")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(*command: str) -> None:
    """Run one of Postgres' programs. Raises BackupError with what it says, never with the password."""
    try:
        ended = subprocess.run(command, env=os.environ | secret(), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupError(f"{command[0]} is not installed (Debian: postgresql-client).") from None
    if ended.returncode:
        raise BackupError(f"{command[0]} failed: {ended.stderr.strip()[-500:]}")


def main(argv: Sequence[str]) -> int:
    """The command. Returns the exit status."""
    saves, words = argv[0] == "save", (__doc__ or "").partition("\n\n")[2]
    parser = argparse.ArgumentParser(prog="bin/backup" if saves else "bin/restore", description=words)
    if saves:
        parser.add_argument("path", type=Path, metavar="FOLDER", help="where the dump is written")
    else:
        parser.add_argument("path", type=Path, metavar="DUMP", help="the .dump file; its .json file lies beside it")
    path = parser.parse_args(argv[1:]).path
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError

    try:
        django.setup()
        (_save if saves else _load)(path)
    except (BackupError, ImproperlyConfigured, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
    except DatabaseError as error:
        print(f"{parser.prog}: the database does not answer: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def _save(folder: Path) -> None:
    print(save(folder))


def _load(dump: Path) -> None:
    about = load(dump)
    print(f"restored what was dumped at {about['made_at'][:19]} by {about['code']}; trading is halted")
    print(tape_position.since(about.get("tape"), tape_folder()))
    print('next: manage.py adopt, manage.py reconcile, then manage.py resume --reason "..."')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
