"""Taking away a colleague's second factor: for somebody who has lost the phone and the recovery codes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404

from kalbot.common.errors import KalbotError
from kalbot.console.auth import second_factor
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui.links import page_url


class RemoveSecondFactor(Dialog):
    """From then on the password alone is enough for this person, until they switch it on again."""

    name = "remove_second_factor"
    title = "Remove second factor"
    submit = "Remove it"
    permission_required = "auth.change_user"

    def brief(self, pk: str) -> Briefing:
        user = get_object_or_404(User, pk=pk)
        return Briefing(
            target=user.get_username(),
            url=page_url("auth.user", user.pk),
            sentences=[
                f"The password alone will let {user.get_username()} in. Make sure that it is really they who ask."
            ],
            refusal="" if second_factor.is_on(user) else "This person uses no second factor.",
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        user = get_object_or_404(User, pk=pk)
        if not second_factor.is_on(user):
            raise KalbotError("This person uses no second factor.")
        second_factor.switch_off(user, actor=actor, reason=reason)
        return f"{user.get_username()} logs in with the password alone."
