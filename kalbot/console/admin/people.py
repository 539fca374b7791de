"""People and their groups, in Unfold's clothes; each change of who may do what is in the audit log."""

from __future__ import annotations

from typing import Any

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

from kalbot.console.admin.lists.columns import column
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.auth import audit
from kalbot.console.dialogs.factor import RemoveSecondFactor
from kalbot.console.dialogs.register import detail_action
from kalbot.console.ui.links import page_url

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


class PersonForm(SeenForm, UserChangeForm):
    """An old form gives nobody a role back."""

    unseen = ("password", "last_login")


class Audited:
    """Keeps who added, changed or deleted a row, and which fields, as an act."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.keep(request, "add", obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.keep(request, "change", obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self.keep(request, "delete", obj, "")
        return super().log_deletions(request, queryset)  # type: ignore[misc]

    def keep(self, request: HttpRequest, verb: str, obj: Any, message: Any) -> None:
        """One act: what was done to whom, with the names of the fields that changed, never their values (passwords)."""
        fields = [
            name for one in message or [] if isinstance(one, dict) for name in one.get(verb + "d", {}).get("fields", [])
        ]
        audit.record(
            f"{verb}_{obj._meta.model_name}",
            actor=request.user.get_username(),
            reason=audit.BY_FORM,
            target=str(obj),
            url=page_url(obj._meta.label_lower, obj.pk) if verb != "delete" else "",
            result=", ".join(fields),
        )


@admin.register(User)
class UserAdmin(Audited, BaseUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # Django's cannot be written with its model at run time
    form = PersonForm
    fieldsets = ((None, {"fields": ("username", "password", "seen")}), *(BaseUserAdmin.fieldsets or ())[1:])
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
        shown = User.objects.filter(pk=object_id, totpdevice__confirmed=True).exists()
        return super().get_actions_detail(request, object_id) if shown else []


@admin.register(Group)
class GroupAdmin(Audited, BaseGroupAdmin, ModelAdmin):
    form = SeenForm
