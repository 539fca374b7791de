"""Acts of people that no list's form writes: a person made or given a password by the command line, and one's own new password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.http import HttpRequest

from kalbot.console.auth import audit
from kalbot.console.ui.links import page_url


def keep(user: User, name: str, *, actor: str, reason: str) -> None:
    """One act about a person; never a password."""
    url = page_url(user._meta.label_lower, user.pk)
    audit.record(name, actor=actor, reason=reason, target=user.get_username(), url=url)


def keep_own(request: HttpRequest, name: str) -> None:
    """One act of a person about themselves."""
    if isinstance(request.user, User):
        keep(request.user, name, actor=request.user.get_username(), reason="by themselves")


@contextmanager
def kept_by_command(name: str) -> Iterator[None]:
    """Every person who is stored inside is an act ``name`` of whoever runs the command: Django's commands do not say whom they stored.
    For a process with one thread."""

    def stored(instance: User, **_: Any) -> None:
        keep(instance, name, actor=audit.terminal_user(), reason="by the command line")

    post_save.connect(stored, sender=User, weak=False, dispatch_uid=name)
    try:
        yield
    finally:
        post_save.disconnect(sender=User, dispatch_uid=name)
