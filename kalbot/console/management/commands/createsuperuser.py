"""manage.py createsuperuser: Django's own, with a row in the audit log"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from kalbot.console.auth import people


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        with people.kept_by_command("add_user"):
            return super().handle(*args, **options)
