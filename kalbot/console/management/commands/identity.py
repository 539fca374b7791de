"""``manage.py identity``: which exchange this database is about; ``--accept`` when the exchange itself has moved."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.console.auth import audit
from markets import identity


class Command(commands.Command):
    example = "manage.py identity"
    help = "Show which exchange and environment this database belongs to, and compare the settings and Redis with it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accept",
            action="store_true",
            help="The exchange or the environment has another name now: keep that of the settings.",
        )
        parser.add_argument(
            "--reason", type=audit.reason_written, help="Needed with --accept; it is kept in the audit log."
        )

    def handle(self, *args: Any, accept: bool, reason: str | None, **options: Any) -> None:
        if accept:
            if not reason:
                raise CommandError("--accept needs --reason.")
            before = identity.row()
            after = identity.accept()
            audit.record(
                "accept_identity",
                actor=audit.terminal_user(),
                reason=reason,
                target="this installation",
                result=f"{before}, now {after}",
            )
        if wrong := identity.mismatch():
            raise CommandError(wrong)
        row = identity.row()
        self.stdout.write(f"{row.environment} on {row.rest_host} and {row.ws_host}, installation {str(row.key)[:8]}")
