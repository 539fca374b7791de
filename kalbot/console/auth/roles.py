"""Roles: viewer, operator, risk manager. Seeded by every ``migrate``; people are put into groups, never given single permissions."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps

VIEWED: Final = ("markets", "strategies", "trading", "triage", "backtest", "console", "django_celery_beat")
ACTS: Final[dict[str, set[str]]] = {
    "viewer": {"make_token"},
    "operator": {"make_token", "force_exit", "halt", "answer_triage"},
    "risk manager": {
        "make_token",
        "force_exit",
        "halt",
        "answer_triage",
        "change_schedule",
        "resume",
        "change_limits",
        "go_live",
        "review_certificate",
        "remove_lock",
        "test_channel",
    },
}
MORE: Final[dict[str, set[tuple[str, str]]]] = {
    "viewer": set(),
    "operator": set(),
    "risk manager": {
        *((("console", f"{verb}_{model}")) for verb in ("add", "change", "delete") for model in ("channel", "rule")),
    },
}


TAKEN: Final = (("django_celery_beat", "change_periodictask"), ("django_celery_beat", "add_intervalschedule"))
"""Permissions that earlier versions gave to roles, and that no role has any more."""


def seed() -> None:
    """Create the groups that are missing and set the permissions that the code owns; extra ones given by hand stay."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission
    from django.contrib.contenttypes.management import create_contenttypes

    for label in VIEWED:
        config = apps.get_app_config(label)
        create_contenttypes(config, verbosity=0)
        create_permissions(config, verbosity=0)
    views = list(Permission.objects.filter(content_type__app_label__in=VIEWED, codename__startswith="view_"))
    for name, acts in ACTS.items():
        group, _ = Group.objects.get_or_create(name=name)
        wanted = list(Permission.objects.filter(content_type__app_label="console", codename__in=acts))
        wanted += [
            p for app, code in MORE[name] for p in Permission.objects.filter(content_type__app_label=app, codename=code)
        ]
        group.permissions.add(*views, *wanted)
        for app, code in TAKEN:
            group.permissions.remove(*Permission.objects.filter(content_type__app_label=app, codename=code))


def after_migrate(sender: Any, **kwargs: Any) -> None:
    """Runs once a migrate, after the last application (so that every permission can exist)."""
    if sender.label == list(apps.app_configs)[-1] and kwargs.get("plan") != []:
        seed()
