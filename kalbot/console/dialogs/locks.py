"""Lifting a lock before its time: a person's decision, with a reason that is kept with the lock."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from kalbot.common.errors import KalbotError
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.pages.home import obstacles
from kalbot.console.ui import formats
from kalbot.console.ui.links import list_url
from trading.models import Lock
from trading.safety import lock_causes


class RemoveLock(Dialog):
    """New baskets become possible again at once; nothing that happened is undone."""

    name = "remove_lock"
    title = "Lift lock"
    submit = "Lift this lock"
    permission_required = "console.remove_lock"

    def brief(self, pk: str) -> Briefing:
        lock = get_object_or_404(Lock.objects.select_related("profile"), pk=pk)
        return Briefing(
            version=f"{lock.until.isoformat()} {lock.reason}"[:200],
            target=f"{lock.get_code_display()}, {lock.profile or 'all profiles'}",
            url=list_url("trading.lock"),
            sentences=[obstacles.possible_again(lock.profile, obstacles.locked(lock))],
            numbers=[
                ("Why it was set", lock.reason),
                ("Set by", lock.actor),
                ("Would lapse", formats.ago(lock.until)),
                ("Set", formats.ago(lock.created_at)),
            ],
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        lock = get_object_or_404(Lock.objects.select_related("profile"), pk=pk)
        if not lock_causes.close(lock, f"lifted by {actor}: {reason}"):
            raise KalbotError("This lock has ended already.")
        return f"The lock is lifted. {obstacles.still_stopped(lock.profile)}".strip()
