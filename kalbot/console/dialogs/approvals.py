"""Approving an event whose guaranteed margin is held as implausible: by a risk manager, with a note, for a stated time."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from markets.models import Event
from strategies.cycle import plausibility
from strategies.models import Verdict
from strategies.reasons import Reason


class ApprovalForm(ReasonForm):
    """For how long, and why."""

    hours = forms.IntegerField(
        label="Hours",
        min_value=1,
        max_value=int(plausibility.LONGEST.total_seconds() // 3_600),
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="How long baskets of this event may be bought whatever their margin.",
    )


class ApproveEvent(Dialog):
    """Lets baskets of one event through the plausibility brake for a stated time, at whatever price."""

    name = "approve_event"
    title = "Approve event"
    submit = "Believe the margin"
    permission_required = "console.review_certificate"
    form_class = ApprovalForm

    def brief(self, pk: str) -> Briefing:
        event = get_object_or_404(Event, pk=pk)
        held = Verdict.objects.filter(event=event, live_constraint=Reason.IMPLAUSIBLE.value)
        approval = plausibility.approval_of(event.pk)
        return Briefing(
            target=event.ticker,
            url=page_url("markets.event", event.pk),
            sentences=[
                "Free money usually means that something was misread: an outcome that is missing, a rule, a book. Read the rules first.",
                "The approval covers the event as its rules and outcomes are now, for the time that you state, never one price.",
                event.title,
                *sorted({verdict.live_flip for verdict in held if verdict.live_flip}),
            ],
            numbers=[
                ("Listed outcomes", str(event.market_count)),
                *((f"Held for {v.profile}", f"{v.live_value}, {v.live_limit}") for v in held.select_related("profile")),
                ("Approved until", formats.moment(approval.expires_at) if approval else "not approved"),
            ],
            version=version_of(event.rules_hash, event.market_count, approval and approval.expires_at),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        lasts = timedelta(hours=form.cleaned_data["hours"])
        approval = plausibility.approve(get_object_or_404(Event, pk=pk).pk, actor=actor, note=reason, lasts=lasts)
        return f"Approved until {formats.moment(approval.expires_at)}."
