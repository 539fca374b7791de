"""What would this change have done? The form of a profile, not saved, replayed on the last days of the tape beside the profile as it is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from backtest import stored
from backtest.models import BacktestRun
from backtest.options import BadOption, Options, checked, columns_of
from backtest.report import terminal
from kalbot.common.units import dollars
from kalbot.console.admin.profiles.profile_units import LABELS, in_unit
from markets.tape.reader import Tape
from strategies.models import Profile
from strategies.profiles import validation

DAYS: Final = (1, 3, 7, 30)
SHOWN: Final = 10
UNASKED: Final = ("reason", "seen")
"""Fields of the form that say why and since when: nothing is changed here."""
OWN: Final = ("name", "description", "is_active", "subaccount")
"""Columns that no replay depends on."""
MONEY: Final = ("profit", "spent", "fees", "drawdown", "most_locked", "open_cost", "open_floor")
ROWS: Final[tuple[tuple[str, str], ...]] = (
    ("Events", "events"),
    ("Not judged", "unjudged"),
    ("Decisions", "decisions"),
    ("Baskets", "baskets"),
    ("Unwound", "unwound"),
    ("Spent", "spent"),
    ("Fees", "fees"),
    ("Realised", "profit"),
    ("Open at the end: cost", "open_cost"),
    ("Open at the end: floor", "open_floor"),
    ("Most locked", "most_locked"),
    ("Drawdown", "drawdown"),
    ("Residual legs", "residuals"),
)


@permission_required(["strategies.view_profile", "backtest.view_backtestrun"], raise_exception=True)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """The changes that were tried on one profile, the latest first, each beside the profile as it was."""
    profile = get_object_or_404(Profile, pk=pk)
    tried = BacktestRun.objects.filter(profile=profile.name).exclude(before=None).select_related("before")[:SHOWN]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"What a change of {profile.name} would have done",
        "profile": profile,
        "tried": [compared(run) for run in tried],
        "few": terminal.FEW,
    }
    return TemplateResponse(request, "console/what_if.html", context)


@require_POST
@permission_required("console.change_limits", raise_exception=True)
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue both runs from the profile's form as it was filled in; nothing of it is saved."""
    profile = get_object_or_404(Profile, pk=pk)
    days = request.POST.get("what_if_days", "")
    problem, changes = changed(request, profile)
    if not problem:
        problem = _queue(profile, changes, int(days) if days.isdigit() and int(days) in DAYS else DAYS[0], request)
    if problem:
        messages.error(request, problem)
        return redirect("admin:strategies_profile_change", pk)
    messages.info(request, "Both runs are queued; this page shows them when they are done.")
    return redirect("admin:what_if", pk)


def changed(request: HttpRequest, profile: Profile) -> tuple[str, dict[str, Any]]:
    """(problem, columns with their new values) of the form that was sent."""
    form_class = admin.site._registry[Profile].get_form(request, profile, change=True)
    form = form_class(request.POST, instance=Profile.objects.get(pk=profile.pk))
    errors = {name: " ".join(map(str, texts)) for name, texts in form.errors.items() if name not in UNASKED}
    errors = errors or dict(validation.problems(form.instance))
    if errors:
        return "; ".join(f"{LABELS.get(name) or name}: {text}" for name, text in errors.items()), {}
    before, after = columns_of(profile), columns_of(form.instance)
    changes = {name: value for name, value in after.items() if value != before[name] and name not in OWN}
    return ("" if changes else "Nothing is changed that a replay depends on."), changes


def _queue(profile: Profile, changes: dict[str, Any], days: int, request: HttpRequest) -> str:
    """Why nothing could be queued; empty when it was."""
    if not settings.KALBOT_TAPE_DIR:
        return "Nothing is recorded here: KALBOT_TAPE_DIR is empty, so there is no day to replay."
    try:
        tape = Tape.open(Path(settings.KALBOT_TAPE_DIR))
        start_ns = max(tape.first_ns, tape.last_ns - int(timedelta(days=days).total_seconds()) * 10**9)
        options = Options(tape.folder, checked(columns_of(profile)), start_ns=start_ns, end_ns=tape.last_ns + 1)
        stored.request(options, changes, actor=request.user.get_username(), name=f"what if, {days} d")
    except (FileNotFoundError, BadOption) as error:
        return str(error)
    return ""


def compared(after: BacktestRun) -> dict[str, Any]:
    """One change: its words, and the figures of both runs where both are done."""
    before = after.before
    assert before is not None
    done = before.status == after.status == BacktestRun.Status.DONE
    return {
        "after": after,
        "before": before,
        "changes": [
            (
                str(LABELS.get(name) or name.replace("_", " ")),
                in_unit(name, before.options["profile"].get(name)),
                in_unit(name, value),
            )
            for name, value in after.changes.items()
        ],
        "rows": [_row(label, name, before, after) for label, name in ROWS] if done else [],
        "same": done and before.fingerprint == after.fingerprint,
        "problems": [run.failure for run in (before, after) if run.status == BacktestRun.Status.FAILED],
        "few": done and max(before.baskets, after.baskets) < terminal.FEW,
    }


def _row(label: str, name: str, before: BacktestRun, after: BacktestRun) -> tuple[str, str, str, str]:
    """Label, before, after, difference."""
    old, new = (int(run.result.get(name, getattr(run, name, 0)) or 0) for run in (before, after))
    shown = dollars if name in MONEY else "{:,}".format
    return label, shown(old), shown(new), ("" if old == new else ("+" if new > old else "") + shown(new - old))
