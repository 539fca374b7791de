"""Profiles: what is watched, what is bought, and the limits; edited in dollars and contracts, with a reason for each change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten, flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html
from simple_history.admin import SimpleHistoryAdmin
from simple_history.models import ModelChange, ModelDelta
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.enums import ActionVariant

from kalbot.console.admin.lists.base import CappedPaginator, UnitColumns, help_without_units
from kalbot.console.admin.lists.columns import column, label
from kalbot.console.admin.lists.filters import ChoicesDropdownFilter
from kalbot.console.admin.profiles.profile_form import FIELDSETS, ProfileForm, changes_in_words
from kalbot.console.admin.profiles.profile_risk import loosened
from kalbot.console.admin.profiles.profile_units import HELP, LABELS, in_unit, setting
from kalbot.console.auth import audit
from kalbot.console.dialogs.clone import CloneProfile
from kalbot.console.dialogs.golive import GoLive
from kalbot.console.dialogs.register import DialogActions, detail_action
from kalbot.console.dialogs.twin import MakeTwin
from kalbot.console.pages.home import obstacles
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.links import list_url, page_url
from kalbot.console.ui.markup import tag
from strategies.models import Mode, Profile
from strategies.profiles import history, presets

IN_FORM = "shown_in_its_form"
"""On a request: an old version is shown in the fields of the form, for whoever reads it."""


class ChangesInUnits(HistoricalRecordContextHelper):
    """Changes of the history in dollars, contracts and per cent, under the names of the form, and marked where they loosen a limit."""

    def context_for_delta_changes(self, delta: ModelDelta) -> list[dict[str, Any]]:
        return [change for change in super().context_for_delta_changes(delta) if change["field"] != "Updated at"]

    def format_delta_change(self, change: ModelChange) -> ModelChange:
        name = change.field
        shown = super().format_delta_change(change)
        title = str(LABELS.get(name) or shown.field)
        return replace(shown, field=f"{title} (loosened)" if loosened(name, change.old, change.new) else title)

    def prepare_delta_change_value(self, change: ModelChange, value: Any) -> Any:
        return in_unit(change.field, value) if value is not None else formats.NOTHING


@admin.register(Profile)
class ProfileAdmin(SimpleHistoryAdmin, DialogActions, UnitColumns, ModelAdmin):
    form = ProfileForm
    list_display = [
        "name",
        label("mode"),
        "running",
        "kinds_shown",
        "capital",
        column("max_per_position", "money", "Most a basket"),
        column("max_open_positions", "whole", "Most open"),
        column("max_daily_loss", "money", "Most lost a day"),
        column("min_margin_ppm", "share", "Least margin"),
        column("min_profit", "money", "Least profit"),
        "rows",
    ]
    list_filter = [("mode", ChoicesDropdownFilter), ("is_active", BooleanRadioFilter)]
    list_fullwidth = True
    empty_value_display = formats.NOTHING
    search_fields = ["name", "description"]
    ordering = ["name"]
    paginator = CappedPaginator
    show_full_result_count = False
    units = {"capital": "money", "max_per_position": "money", "max_daily_loss": "money", "min_profit": "money"}
    readonly_fields = ["mode", "shadow_of"]
    fieldsets = FIELDSETS
    compressed_fields = True
    change_form_after_template = "console/parts/what_if.html"
    warn_unsaved_form = True
    actions = None
    actions_detail = ["evaluate", "clone", "make_twin", "go_live"]
    clone = detail_action(CloneProfile, "Clone", icon="content_copy", name="clone")
    make_twin = detail_action(MakeTwin, "Paper twin", icon="compare", name="make_twin")
    go_live = detail_action(GoLive, "Go live", icon="bolt", name="go_live")

    def get_fieldsets(self, request: HttpRequest, obj: Profile | None = None) -> Any:
        """Who may not change it reads dollars, contracts and per cent all the same, under the names of the form."""
        found = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj) or IN_FORM in vars(request):
            return found
        read = [one for one in flatten_fieldsets(found) if one not in ("reason", "seen")]
        return [
            (title, {**options, "fields": [setting(one) for one in flatten(options["fields"]) if one in read]})
            for title, options in found
        ]

    def get_form(self, request: HttpRequest, obj: Profile | None = None, change: bool = False, **kwargs: Any) -> Any:
        if not self.has_change_permission(request, obj):
            kwargs["help_texts"] = {**help_without_units(Profile), **HELP}
        return super().get_form(request, obj, change, **kwargs)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self.unit_columns(super().get_list_display(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Each profile of the page with the first thing that stops it, read once for all of them."""
        found = super().get_changelist_instance(request)
        stops = obstacles.of_request(request)
        first = next(obstacles.everything(stops), None)
        for profile in found.result_list:
            profile.first_obstacle = first or next(obstacles.of_profile(profile, stops), None)
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("console.change_limits")

    def has_change_permission(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        return request.user.has_perm("console.change_limits")

    def has_delete_permission(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        return False  # its rows are the record of what was done with money; switch it off instead

    def get_historical_record_context_helper(
        self, request: HttpRequest, historical_record: Any
    ) -> HistoricalRecordContextHelper:
        return ChangesInUnits(self.model, historical_record)

    def history_form_view(self, request: HttpRequest, object_id: str, version_id: str, **kwargs: Any) -> HttpResponse:
        """An old version is read only. The library hides the button of its form and would still store what is posted to it."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        if not (object_id.isdecimal() and version_id.isdecimal()):
            raise Http404("no such version")
        vars(request)[IN_FORM] = True
        answer: HttpResponse = super().history_form_view(request, object_id, version_id, **kwargs)
        return answer

    def revert_disabled(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        return True  # the history is read; a limit is changed on the form, with a reason

    change_form_outer_before_template = "console/profile_head.html"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new profile begins with a preset's values: the one that the address names, else the careful one."""
        preset = presets.profile(request.GET.get("preset", presets.FIRST))
        fields = {field.name: getattr(preset, field.name) for field in Profile._meta.concrete_fields}
        return {**fields, "name": "", "is_active": False, **super().get_changeform_initial_data(request)}

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["may_edit"] = self.has_change_permission(request)
        if kwargs.get("obj") is None:
            context |= {"presets": presets.PRESETS.items(), "preset": request.GET.get("preset", presets.FIRST)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done: a profile that is live does not go live, and only a live one has a twin."""
        found = dict(Profile.objects.filter(pk=object_id, mode=Mode.LIVE).values_list("pk", "is_active"))
        left_out = "_make_twin" if not found else "_go_live" if any(found.values()) else ""
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if not (left_out and one.action_name.endswith(left_out))]

    def evaluate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shows today's verdicts without trading: a page that reads, so GET is right."""
        from kalbot.console.pages.strategy.evaluate import evaluate

        return evaluate(request, object_id)

    evaluate.short_description = "Evaluate now"  # type: ignore[attr-defined]
    evaluate.icon = "fact_check"  # type: ignore[attr-defined]
    evaluate.url_path = "evaluate"  # type: ignore[attr-defined]
    evaluate.attrs = {}  # type: ignore[attr-defined]
    evaluate.variant = ActionVariant.DEFAULT  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: Profile, form: ProfileForm, change: bool) -> None:
        """Store with the reason in the history; say in words what changed and warn of loosened limits."""
        obj._change_reason = form.cleaned_data.get("reason", "")[:100]  # type: ignore[attr-defined]
        if not change:
            obj.save()
            self.keep(request, "add_profile", obj, form, [])
            return
        changed = [name for name in form.changed_data if name in {field.name for field in Profile._meta.fields}]
        if not changed:
            return
        history.record_others(obj.pk)
        # only what this person changed: another process may have written other columns meanwhile
        obj.save(update_fields=[*changed, "updated_at"])
        self.keep(request, "change_profile", obj, form, changed)
        looser = [name for name in changed if loosened(name, form.initial.get(name), form.cleaned_data[name])]
        for sentence in changes_in_words(form, looser):
            messages.warning(request, f"Loosened: {sentence}")

    def keep(self, request: HttpRequest, name: str, obj: Profile, form: ProfileForm, changed: list[str]) -> None:
        """The change in the audit log, value by value; the history has the same by row."""
        audit.record(
            name,
            actor=request.user.get_username(),
            reason=form.cleaned_data.get("reason", "") or audit.BY_FORM,
            target=obj.name,
            url=page_url("strategies.profile", obj.pk),
            shown=[
                (
                    str(LABELS.get(one, one)),
                    f"{in_unit(one, form.initial.get(one))} → {in_unit(one, form.cleaned_data[one])}",
                )
                for one in changed
            ],
        )

    @display(description="Running")
    def running(self, profile: Profile) -> Any:
        if not profile.is_active:
            return tag("plain", "off")
        first = getattr(profile, "first_obstacle", None)
        if first is None:
            return tag("active")
        return format_html('{} <small class="k-quiet">{}</small>', tag("stopped"), first.title)

    @display(description="Buys")
    def kinds_shown(self, profile: Profile) -> str:
        return ", ".join(kind.replace("_", " ") for kind in profile.kinds) or formats.NOTHING

    @display(description="Rows")
    def rows(self, profile: Profile) -> Any:
        return format_html(
            '<a class="k-link" href="{}">near misses</a> · <a class="k-link" href="{}">positions</a> · '
            '<a class="k-link" href="{}">verdicts</a>',
            list_url("strategies.nearmiss", profile__id__exact=profile.pk),
            list_url("trading.position", profile__id__exact=profile.pk),
            list_url("strategies.verdict", profile__id__exact=profile.pk),
        )
