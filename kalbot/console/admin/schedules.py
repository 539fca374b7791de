"""The schedules of beat: a risk manager changes them, with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.console.admin import people  # noqa: F401  (takes the library's own classes away first)
from kalbot.console.admin.lists.columns import column
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.auth import audit
from kalbot.console.ops import schedules
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.links import page_url

HELP = {
    "name": "",
    "task": "What is run.",
    "description": "",
    "enabled": "Switched off it is never sent, and the status page is red.",
    "interval": "How often it is sent.",
    "expire_seconds": "A message that no worker has taken by then is dropped: shorter than the interval, but for what waits for busy "
    "workers: sweep, settle, reconcile and heartbeats.",
    "queue": "The queue whose workers run it.",
    "last_run_at": "When beat last noted that it was sent.",
    "total_run_count": "How often it was sent.",
}
"""In place of the library's, which speak of its code."""

LABELS = {"interval": "Runs", "expire_seconds": "Lapses after, seconds"}
"""As the columns of the list are called."""


class ScheduleForm(SeenForm):
    """A change has a reason. A message must lapse before the next one is due, or a slow worker finds a pile of stale ones."""

    reason = forms.CharField(
        min_length=audit.LEAST_WORDS,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(),
        label="Reason for this change",
        help_text="Kept in the audit log.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        interval, expires = cleaned.get("interval"), cleaned.get("expire_seconds")
        least = schedules.PATIENCE
        if interval is None:
            self.add_error("interval", "Choose how often this runs.")
        elif self.instance.task in schedules.MAY_WAIT:
            if expires is None or expires < least:
                self.add_error(
                    "expire_seconds",
                    f"At least {least}: a busy worker takes it late, and one run does for all that waited.",
                )
        elif expires is None or expires >= interval.schedule.run_every.total_seconds():
            self.add_error(
                "expire_seconds",
                f"Must be shorter than the interval ({interval}), so that late messages do not pile up.",
            )
        return cleaned


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin):
    """Which tasks exist is the code's business (``manage.py seed_schedules``); how often they run is the operator's."""

    list_display = [
        "name",
        "task",
        "enabled",
        "runs",
        column("expire_seconds", "seconds", "Lapses after"),
        column("last_run_at", "ago", "Last noted"),
    ]
    list_select_related = ["interval"]
    list_fullwidth = True
    search_fields = ["name", "task"]
    ordering = ["name"]
    fields = [
        "name",
        "task",
        "description",
        "enabled",
        "interval",
        "expire_seconds",
        "queue",
        "last_run_at",
        "total_run_count",
        "reason",
        "seen",
    ]
    readonly_fields = ["name", "task", "description", "queue", "last_run_at", "total_run_count"]
    empty_value_display = formats.NOTHING
    compressed_fields = True
    actions = None

    @display(description="Runs", ordering="interval__every")
    def runs(self, task: PeriodicTask) -> str:
        return f"every {formats.span(task.interval.schedule.run_every)}" if task.interval else formats.NOTHING

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A disabled sweeper leaves positions half-sold: schedules are a risk manager's."""
        return bool(request.user.has_perm("console.change_schedule"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        """Store with who, why and what changed, in the same transaction."""
        changed = [name for name in form.changed_data if name not in ("reason", "seen")]
        super().save_model(request, obj, form, change)
        if changed:
            audit.record(
                "change_schedule",
                actor=request.user.get_username(),
                reason=form.cleaned_data["reason"],
                target=obj.name,
                url=page_url("django_celery_beat.periodictask", obj.pk),
                shown=[(name, f"{form.initial.get(name)} → {form.cleaned_data[name]}") for name in changed],
            )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = ("reason", "seen")
        return [name for name in self.fields if self.has_change_permission(request, obj) or name not in own]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, form=ScheduleForm, help_texts=HELP, labels=LABELS, **kwargs)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    """Intervals to choose from. One that schedules use is not edited: each would change without a reason of its own."""

    list_display = ["__str__", "every", "period"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("console.change_schedule"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
