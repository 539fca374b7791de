"""Notifications: channels with their rules, what was reported, and what was delivered."""

from __future__ import annotations

import hashlib
from secrets import token_urlsafe
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, key_link, label, sentence
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter, RangeDateTimeFilter, seen_values
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.dialogs.channels import TestChannel
from kalbot.console.dialogs.register import DialogActions, detail_action
from kalbot.console.models import Act, Channel, Delivery, Notification, Rule
from kalbot.console.notify import addresses, service
from kalbot.console.ui import formats
from kalbot.console.ui.display import display


class ChannelForm(SeenForm):
    """The address is written here and never read back; the reason is kept with the change."""

    new_address = forms.CharField(
        label="Address",
        required=False,
        max_length=2_000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="An apprise address (mailtos://…, tgram://…, ntfys://…). Stored encrypted; empty keeps the present one.",
    )
    reason = forms.CharField(label="Reason", min_length=3, max_length=300, widget=UnfoldAdminTextInputWidget())

    def stored(self, row: models.Model) -> dict[str, Any]:
        """With its rules, which are edited on the same page, and whether the address is still the same."""
        rules = Rule.objects.filter(channel=row.pk).order_by("pk")
        address = Channel.objects.filter(pk=row.pk).values_list("address", flat=True).first()
        return {
            **super().stored(row),
            "rules": [
                f"{one.kind} {one.least_severity} {one.profile_id or 'every profile'} {one.mode}" for one in rules
            ],
            "address": hashlib.sha256(str(address).encode()).hexdigest()[:12],
        }

    class Meta:
        model = Channel
        fields = ("name", "person", "is_active", "time_zone", "quiet_from", "quiet_until", "bundle_seconds")

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"]
        if zone not in available_timezones():
            raise forms.ValidationError("There is no such time zone. Write for example America/New_York.")
        return zone

    def clean_new_address(self) -> str:
        address: str = self.cleaned_data["new_address"].strip()
        if not address and not self.instance.pk:
            raise forms.ValidationError("A new channel needs an address.")
        if address and service.name_of(address) is None:
            raise forms.ValidationError("This is not an address that apprise can read.")
        return address

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if (found.get("quiet_from") is None) != (found.get("quiet_until") is None):
            self.add_error("quiet_until", "Quiet hours need both ends, or none.")
        return found

    def save(self, commit: bool = True) -> Channel:
        address = self.cleaned_data["new_address"]
        if address:
            self.instance.address = addresses.encrypt(address)
            self.instance.service = (service.name_of(address) or "")[:60]
            self.instance.failures, self.instance.last_error, self.instance.retry_at = 0, "", None
        saved: Channel = super().save(commit)
        return saved


class RuleInline(TabularInline):
    model = Rule
    extra = 0
    fields = ("kind", "least_severity", "profile", "mode")


@admin.register(Channel)
class ChannelAdmin(DialogActions, ModelAdmin):
    form = ChannelForm
    inlines = (RuleInline,)
    list_display = ("name", "service", "is_active", "state", column("last_sent_at", "ago", "Last message"), "quiet")
    search_fields = ("name", "service")
    actions = None
    actions_detail = ("send_test",)
    readonly_fields = ("service", "failures", "last_error", "last_sent_at", "retry_at")
    fieldsets = (
        (None, {"fields": ("name", "new_address", "service", "person", "is_active")}),
        ("When", {"fields": ("time_zone", "quiet_from", "quiet_until", "bundle_seconds")}),
        ("Health", {"fields": ("failures", "last_error", "last_sent_at", "retry_at")}),
        ("Why", {"fields": ("reason", "seen")}),
    )
    send_test = detail_action(TestChannel, "Send test", icon="send", name="send_test")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Channel]:
        ruled = models.Exists(Rule.objects.filter(channel=models.OuterRef("pk")))
        rows: models.QuerySet[Channel] = super().get_queryset(request)
        return rows.annotate(has_rule=ruled)

    @display(
        description="State", label={"failing": "danger", "ok": "success", "off": "info", "nothing is sent": "warning"}
    )
    def state(self, channel: Channel) -> str:
        """A channel without a rule gets nothing but tests: that it is well would be untrue."""
        if not channel.is_active:
            return "off"
        return "failing" if channel.failures else "ok" if getattr(channel, "has_rule", True) else "nothing is sent"

    @display(description="Quiet hours")
    def quiet(self, channel: Channel) -> str:
        if channel.quiet_from is None or channel.quiet_until is None:
            return formats.NOTHING
        return f"{channel.quiet_from:%H:%M} to {channel.quiet_until:%H:%M}, {channel.time_zone}"

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        changed = [name for name in form.changed_data if name not in ("reason", "seen")]
        _record(request, "change_channel" if change else "add_channel", obj, form.cleaned_data["reason"], changed)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not form.instance.rules.exists():
            messages.warning(
                request, f"{form.instance.name} has no rule: nothing but tests is sent to it. Add one on its page."
            )

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        _record(request, "delete_channel", obj, "deleted in the admin", [])
        super().delete_model(request, obj)


def _record(request: HttpRequest, name: str, channel: Channel, reason: str, changed: list[str]) -> None:
    Act.objects.create(
        token=token_urlsafe(24),
        name=name,
        actor=request.user.get_username(),
        reason=reason,
        target=channel.name,
        shown=[("Changed", ", ".join(changed) or "nothing")],
        outcome=Act.Outcome.DONE,
    )


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = (column("at", "ago", "When"), label("severity"), label("kind"), "title", key_link("profile"), "mode")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("severity", ChoicesDropdownFilter),
        seen_values("mode"),
        ("at", RangeDateTimeFilter),
    )
    search_fields = ("title", "body")
    ordering = ("-id",)
    opens = "title"
    fields = ("at", "kind", "severity", "title", "body", key_link("profile"), "mode", "page", "channel", "assigned")
    readonly_fields = ("page",)

    @display(description="Page")
    def page(self, notification: Notification) -> SafeString | str:
        if not notification.path:
            return formats.NOTHING
        return format_html('<a class="k-link" href="{}">{}</a>', notification.path, notification.path)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        column("created_at", "ago", "When"),
        "notification",
        key_link("channel"),
        label("status"),
        "attempts",
        sentence("error"),
    )
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter))
    list_select_related = ("notification", "channel")
    ordering = ("-id",)
