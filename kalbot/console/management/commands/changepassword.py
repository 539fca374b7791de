"""manage.py changepassword: Django's own, with a row in the audit log"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword

from kalbot.console.auth import people


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        with people.kept_by_command("change_password"):
            return super().handle(*args, **options)
