"""Send a test to a notification channel."""

from __future__ import annotations

import secrets
from typing import Any

from django.shortcuts import get_object_or_404

from kalbot.common.errors import KalbotError
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.models import Channel
from kalbot.console.notify import addresses, messages, service
from kalbot.console.ui.links import page_url


class TestChannel(Dialog):
    """Sent at once and without rules, so that the person sees whether it arrives."""

    __test__ = False
    name = "test_channel"
    title = "Send test"
    submit = "Send a test now"
    variant = "primary"
    permission_required = "console.test_channel"

    def brief(self, pk: str) -> Briefing:
        channel = get_object_or_404(Channel, pk=pk)
        return Briefing(
            target=channel.name,
            url=page_url("console.channel", channel.pk),
            sentences=[
                f"One message goes to {channel.name} ({channel.service or 'service unknown'}) at once, quiet hours or not."
            ],
            numbers=[
                ("Failed attempts since the last success", str(channel.failures)),
                ("Last error", channel.last_error or "none"),
            ],
        )

    def initial(self, pk: str) -> dict[str, Any]:
        return {"reason": "Does it arrive?"}

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        channel = get_object_or_404(Channel, pk=pk)
        try:
            address = addresses.decrypt(channel.address)
        except addresses.Unreadable as error:
            raise KalbotError(str(error)) from error
        mark = secrets.token_hex(2)
        problem = service.send(address, f"{messages.sender()}: test {mark}", f"Sent by {actor}: {reason}", urgent=False)
        if problem:
            Channel.objects.filter(pk=channel.pk).update(last_error=problem)
            raise KalbotError(f"It could not be sent: {problem}")
        Channel.objects.filter(pk=channel.pk).update(failures=0, last_error="", retry_at=None)
        return f"Test {mark} was taken by {channel.service or 'the service'}; see whether it arrives."
