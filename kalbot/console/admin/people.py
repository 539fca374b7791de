"""People, their groups, and the schedules of beat, in Unfold's clothes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django_celery_beat import admin as beat_admin  # noqa: F401  (registers its own classes, which are replaced below)
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from django_otp.plugins.otp_static import admin as static_admin  # noqa: F401  (its pages would show recovery codes)
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import admin as totp_admin  # noqa: F401  (its pages would show the shared keys)
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from kalbot.console.admin.base import column
from kalbot.console.dialogs.factor import RemoveSecondFactor
from kalbot.console.dialogs.register import detail_action

for model in (
    User,
    Group,
    PeriodicTask,
    IntervalSchedule,
    CrontabSchedule,
    SolarSchedule,
    ClockedSchedule,
    TOTPDevice,
    StaticDevice,
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = [
        "username",
        "is_staff",
        "is_superuser",
        "roles",
        "second_factor",
        column("last_login", "ago", "Last login"),
    ]
    list_filter = ["groups", "is_staff", "is_active"]
    actions_detail = ["remove_factor"]
    remove_factor = detail_action(
        RemoveSecondFactor, "Remove second factor", icon="phonelink_erase", name="remove_factor"
    )

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "–"

    def get_queryset(self, request: HttpRequest) -> Any:
        uses = Exists(TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True))
        return super().get_queryset(request).prefetch_related("groups").annotate(uses_factor=uses)

    @admin.display(description="Second factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        return bool(user.uses_factor)

    def has_change_user_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Required by the action that removes a second factor."""
        return bool(request.user.has_perm("auth.change_user"))

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        shown = TOTPDevice.objects.filter(user=object_id, confirmed=True).exists()
        return super().get_actions_detail(request, object_id) if shown else []


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


class ScheduleForm(forms.ModelForm):
    """A message must lapse before the next one is due, or a slow worker finds a pile of stale ones."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        interval, expires = cleaned.get("interval"), cleaned.get("expire_seconds")
        if interval is None:
            self.add_error("interval", "Choose how often this runs.")
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
        column("interval", "text", "Runs"),
        column("expire_seconds", "seconds", "Lapses after"),
        column("last_run_at", "ago", "Last noted"),
    ]
    list_select_related = ["interval"]
    list_fullwidth = True
    search_fields = ["name", "task"]
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
    ]
    readonly_fields = ["name", "task", "description", "queue", "last_run_at", "total_run_count"]
    compressed_fields = True
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, form=ScheduleForm, **kwargs)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin):
    list_display = ["__str__", "every", "period"]
