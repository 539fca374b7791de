"""The console's application, and the admin with our site in place of Django's."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

from kalbot.common.postgres.base import lift_limits, set_limits


class ConsoleConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "kalbot.console"
    label = "console"
    default = True

    def ready(self) -> None:
        import kalbot.celery  # noqa: F401  (so that every Django process sends tasks through this project's app)
        from kalbot.console.auth import roles
        from kalbot.console.ops import checks
        from kalbot.console.ops.health import heartbeats, pulse
        from kalbot.console.ops.records import log_records, task_runs

        checks.register_all()
        task_runs.connect()
        heartbeats.watch_beat()
        pulse.connect()
        log_records.attach()
        pre_migrate.connect(_lift_limits, sender=self, dispatch_uid="console.limits lifted")
        post_migrate.connect(_set_limits, sender=self, dispatch_uid="console.limits set")
        post_migrate.connect(roles.after_migrate, dispatch_uid="console.roles")


def _lift_limits(using: str, **kwargs: Any) -> None:
    lift_limits(connections[using])


def _set_limits(using: str, **kwargs: Any) -> None:
    set_limits(connections[using])


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """``django.contrib.admin`` with ConsoleSite as ``admin.site``."""

    default_site = "kalbot.console.site.ConsoleSite"
    default = False
