"""Open positions: what each would bring now, totals by mode and profile, sorted and filtered; chosen ones are exited together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.console.ui import waits
from kalbot.console.ui.held import floors_of_held, grade_of_held
from kalbot.console.ui.links import act_url
from strategies.models import Mode, Profile
from trading import selectors
from trading.closing import marks
from trading.closing.marks import Mark
from trading.denials import DenialCode
from trading.models import ACTIVE, Position
from trading.waiting import of_all

A_PAGE: Final = 50
MOST: Final = 5_000
"""Positions that are valued in one request, live ones and the latest first; beyond it they count as not priced."""


@dataclass(frozen=True, slots=True)
class Row:
    """One open position with what selling it now would bring."""

    position: Position
    mark: Mark

    @property
    def unrealised(self) -> int | None:
        """Proceeds less cost, micro-dollars; None without live books."""
        return None if self.mark.proceeds is None else self.mark.proceeds - self.position.cost

    @property
    def grade(self) -> str:
        """How sure the payoff of what is held is; empty while nothing is."""
        return grade_of_held(self.position)


@dataclass(frozen=True, slots=True)
class Total:
    """Open positions of one mode, or of one profile of it. ``unpriced``: those without live books, which no sum but cost and floor
    holds; ``proceeds`` and ``unrealised`` are None where all are."""

    mode: str
    profile: Profile | None
    number: int
    cost: int
    floor: int
    proceeds: int | None
    unrealised: int | None
    unpriced: int


Sort = Callable[[Row], Any]
SORTS: Final[dict[str, tuple[str, Sort]]] = {
    "position": ("Position", lambda row: row.position.pk),
    "event": ("Event", lambda row: (row.position.event.title or row.position.event_id).casefold()),
    "profile": ("Profile", lambda row: row.position.profile.name),
    "status": ("Status", lambda row: row.position.status),
    "baskets": ("Baskets", lambda row: row.position.matched_count),
    "cost": ("Cost", lambda row: row.position.cost),
    "proceeds": ("Sold now", lambda row: _last_if_none(row.mark.proceeds)),
    "unrealised": ("Unrealised", lambda row: _last_if_none(row.unrealised)),
    "floor": ("Pays at least", lambda row: row.position.floor),
    "closes": ("Closes", lambda row: _last_if_none(row.position.event.close_time)),
    "age": ("Age", lambda row: row.position.created_at),
}
FIGURES: Final = ("baskets", "cost", "proceeds", "unrealised", "floor", "closes", "age")


def _last_if_none(value: Any) -> tuple[bool, Any]:
    return (value is None, value if value is not None else 0)


@permission_required("trading.view_position", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Live first, then the latest; ``?sort=-cost`` sorts within the modes."""
    chosen = {name: request.GET.get(name, "") for name in ("mode", "profile", "q", "sort")}
    rows = valued(matching(chosen["mode"], chosen["profile"], chosen["q"]))
    shown = ordered(rows, chosen["sort"])
    paginator = Paginator(shown, A_PAGE)
    here = paginator.get_page(request.GET.get("p"))
    naked = selectors.naked_legs(row.position for row in here.object_list)
    waiting = of_all(row.position for row in here.object_list)
    floors = floors_of_held(row.position for row in here.object_list)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Open positions",
        "now": clock.now(),
        "rows": [
            (row, row.position.pk in naked, floors[row.position.pk], waits.unusual(waiting.get(row.position.pk)))
            for row in here.object_list
        ],
        "here": here,
        "number": len(rows),
        "totals": totals(rows),
        "chosen": chosen,
        "modes": Mode.values,
        "profiles": Profile.objects.order_by("mode", "name"),
        "heads": [(name, title, turned(chosen, name), name in FIGURES) for name, (title, _) in SORTS.items()],
        "before": _address(chosen, p=here.number - 1) if here.has_previous() else "",
        "after": _address(chosen, p=here.number + 1) if here.has_next() else "",
        "exit_url": act_url("exit_several"),
        "may_exit": request.user.has_perm("console.force_exit"),
    }
    return TemplateResponse(request, "console/open_positions.html", context)


def matching(mode: str = "", profile: str = "", words: str = "") -> QuerySet[Position]:
    """The active positions that the filters leave, live first, then the latest."""
    rows = Position.objects.filter(status__in=ACTIVE).select_related("profile", "event", "event__series")
    rows = rows.filter(mode=mode) if mode else rows
    rows = rows.filter(profile__name=profile) if profile else rows
    if words:
        wanted = Q(event__title__icontains=words) | Q(event__ticker__icontains=words)
        number = words.removeprefix("#")
        rows = rows.filter(wanted | Q(pk=int(number)) if number.isdecimal() and len(number) < 18 else wanted)
    return rows.order_by("mode", "-id")


def valued(positions: Iterable[Position]) -> list[Row]:
    """Each with its mark, from one reading of the prices."""
    rows = list(positions)
    found = marks.of(rows[:MOST])
    return [Row(one, found.get(one.pk, Mark(None, unpriced=DenialCode.PRICE_UNUSABLE))) for one in rows]


def ordered(rows: Iterable[Row], sort: str) -> list[Row]:
    """Live before paper; within them as ``sort`` says, what is not known at the end."""
    name = sort.removeprefix("-")
    by = SORTS[name][1] if name in SORTS else SORTS["position"][1]
    falls = sort.startswith("-") or name not in SORTS
    known = [row for row in rows if not _is_unknown(by(row))]
    unknown = [row for row in rows if _is_unknown(by(row))]
    return sorted([*sorted(known, key=by, reverse=falls), *unknown], key=lambda row: row.position.mode != Mode.LIVE)


def _is_unknown(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value[0])


def turned(chosen: dict[str, str], name: str) -> tuple[str, str]:
    """(address that sorts by a column, or the other way if it is sorted by it already; how it is sorted now)."""
    now = {name: "ascending", f"-{name}": "descending"}.get(chosen["sort"], "")
    return _address({**chosen, "sort": name if now == "descending" else f"-{name}"}), now


def _address(chosen: dict[str, str], **more: Any) -> str:
    return f"?{urlencode({name: value for name, value in {**chosen, **more}.items() if value})}"


def totals(rows: list[Row]) -> list[Total]:
    """A line for each mode, live first, followed by one for each of its profiles. Modes are never added up."""
    found = []
    for mode in (Mode.LIVE, Mode.SIM):
        of_mode = [row for row in rows if row.position.mode == mode]
        if not of_mode:
            continue
        found.append(_total(mode, None, of_mode))
        profiles = {row.position.profile_id: row.position.profile for row in of_mode}
        found += [
            _total(mode, profile, [row for row in of_mode if row.position.profile_id == profile.pk])
            for profile in sorted(profiles.values(), key=lambda one: one.name)
        ]
    return found


def _total(mode: str, profile: Profile | None, rows: list[Row]) -> Total:
    gains = [row.unrealised for row in rows if row.unrealised is not None]
    return Total(
        mode=mode,
        profile=profile,
        number=len(rows),
        cost=sum(row.position.cost for row in rows),
        floor=sum(row.position.floor for row in rows),
        proceeds=sum(row.mark.proceeds or 0 for row in rows) if gains else None,
        unrealised=sum(gains) if gains else None,
        unpriced=len(rows) - len(gains),
    )
