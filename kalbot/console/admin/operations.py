"""What operators read: acts of people, task runs, log records."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import column, label
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter, RangeDateTimeFilter, seen_values
from kalbot.console.models import Act, LogRecord, TaskRecord
from kalbot.console.ui import formats
from kalbot.console.ui.display import display


@admin.register(Act)
class ActAdmin(ExportedAdmin):
    list_display = [column("at", "ago", "When"), "actor", "what", "where", "reason", label("outcome"), "result"]
    list_filter = [
        seen_values("name", "action"),
        seen_values("actor"),
        ("outcome", ChoicesDropdownFilter),
        ("at", RangeDateTimeFilter),
    ]
    search_fields = ["actor", "reason", "target"]
    ordering = ["-id"]
    fields = ["at", "what", "where", "actor", "reason", "shown", "outcome", "result"]
    readonly_fields = ["what", "where"]

    @display(description="Action", ordering="name")
    def what(self, act: Act) -> str:
        return act.name.replace("_", " ")

    @display(description="On")
    def where(self, act: Act) -> SafeString | str:
        return (
            format_html('<a class="k-link" href="{}">{}</a>', act.target_url, act.target)
            if act.target_url
            else act.target
        )


@admin.register(TaskRecord)
class TaskRecordAdmin(ReadOnlyAdmin):
    list_display = [
        "short_name",
        label("status"),
        "queue",
        "worker",
        column("started_at", "ago", "Started"),
        column("duration_ms", "ms", "Took"),
        "first_line",
    ]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        seen_values("queue"),
        seen_values("name"),
        ("started_at", RangeDateTimeFilter),
    ]
    search_fields = ["name", "error"]
    ordering = ["-started_at"]
    units = {"duration_ms": "ms"}

    @display(description="Task", ordering="name")
    def short_name(self, task: TaskRecord) -> str:
        return task.name.replace(".tasks.", " · ")

    @display(description="Error")
    def first_line(self, task: TaskRecord) -> str:
        return last_line(task.error)


@admin.register(LogRecord)
class LogRecordAdmin(ExportedAdmin):
    list_display = [column("at", "ago", "When"), label("level"), "logger", "process", "repeats", "short"]
    list_filter = [seen_values("level"), seen_values("logger"), seen_values("process"), ("at", RangeDateTimeFilter)]
    search_fields = ["message", "logger"]
    ordering = ["-id"]
    list_display_links = ["short"]

    @display(description="Message")
    def short(self, record: LogRecord) -> str:
        return record.message[:160]


def last_line(text: str) -> str:
    """The last line of a traceback: the error itself."""
    return text.strip().splitlines()[-1][:160] if text.strip() else formats.NOTHING
