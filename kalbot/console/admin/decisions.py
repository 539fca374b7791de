"""Decisions: the orders to open a basket, as they were decided; positions say what is held now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kalbot.common import clock, trace
from kalbot.console.admin.lists.columns import column, event_link, key_link, label, link, titled, words
from kalbot.console.admin.lists.exports import ExportedAdmin
from kalbot.console.admin.lists.filters import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
    choice,
    seen_values,
)
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.links import page_url
from kalbot.console.ui.markup import signed
from markets.selectors import markets_of
from markets.terms.grades import Grade
from markets.terms.special_settlements import residual
from strategies.models import Decision, Profile
from trading import shadow


class WithoutCopy(DropdownFilter):
    """Live decisions that a paper twin did not take."""

    title = "not taken by"
    parameter_name = "without_copy"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        twins = Profile.objects.exclude(shadow_of=None).order_by("name")
        return [(str(pk), name) for pk, name in twins.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Decision]) -> QuerySet[Decision]:
        twin = Profile.objects.filter(pk=self.value()).first() if (self.value() or "").isdecimal() else None
        return queryset if twin is None else shadow.without_copy(queryset.filter(profile=twin.shadow_of), twin.pk)


@admin.register(Decision)
class DecisionAdmin(ExportedAdmin):
    list_display = [
        "short_id",
        label("mode"),
        key_link("profile"),
        event_link(),
        words("kind"),
        "count",
        "cost",
        "promised",
        column("margin_ppm", "share", "Margin"),
        "became",
        column("created_at", "ago", "Taken"),
    ]
    list_filter = [
        ("mode", ChoicesDropdownFilter),
        ("profile", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("grade", ChoicesDropdownFilter),
        choice(
            "became",
            "outcome",
            {
                "position": ("Became a position", {"position__isnull": False}),
                "denied": ("Denied", {"denial__isnull": False}),
            },
        ),
        seen_values("denial__code", "denial"),
        WithoutCopy,
    ]
    list_select_related = ["profile", "position", "denial", "event"]
    search_fields = ["event__ticker", "event__title"]
    sorts = {"created_at", "cost", "margin_ppm"}
    linked_by = {"created_at__gte"}
    ordering = ["-created_at"]
    units = {
        "count": "count",
        "cost": "money",
        "fees": "money",
        "max_cost": "money",
        "floor": "money",
        "conditional": "money",
        "expected": "money",
        "coverage_ppm": "share",
        "margin_ppm": "share",
        "price_age_ms": "ms",
        "quote": "stored figures",
    }
    left_out = ("guaranteed", "grade")
    computed = {
        "decided_as": lambda decision: Grade(decision.grade).label,
        "at_discretion": lambda decision: residual(decision.event_id),
    }
    readonly_fields = ["legs_table", "payoff_table", "became", "decided_as", "stages_table"]
    fieldsets = [
        (None, {"fields": ["profile", "mode", "event", "kind", "count", "became", "created_at", "explanation"]}),
        (
            "Arithmetic",
            {
                "fields": [
                    "cost",
                    "fees",
                    "max_cost",
                    "floor",
                    "conditional",
                    "expected",
                    "coverage_ppm",
                    "margin_ppm",
                    "decided_as",
                    "certificate",
                    "price_age_ms",
                    "epoch",
                    "rules_hash",
                ],
                "classes": ["tab"],
            },
        ),
        ("Legs", {"fields": ["legs_table"], "classes": ["tab"]}),
        ("Payoff", {"fields": ["payoff_table", "probabilities"], "classes": ["tab"]}),
        ("Timing", {"fields": ["stages_table"], "classes": ["tab"]}),
    ]

    @display(description="Decision")
    def short_id(self, decision: Decision) -> str:
        return str(decision.pk)[:8]

    @display(description="Floor, decided as", amount=("floor", "money"))
    def promised(self, decision: Decision) -> SafeString:
        """The floor, and below it the grade of that moment, without the colour of what is held."""
        floor = signed("money", decision.floor, getattr(decision, "_decimals", {}).get("floor", 2))
        return format_html('{}<small class="k-quiet k-below k-figure">{}</small>', floor, Grade(decision.grade).label)

    @display(description="Decided as", ordering="grade")
    def decided_as(self, decision: Decision) -> str:
        """The grade of that moment, without the colour of what is held."""
        return Grade(decision.grade).label

    @display(description="Became")
    def became(self, decision: Decision) -> SafeString | str:
        if hasattr(decision, "position"):
            held = decision.position
            why = f": {held.close_code.replace('_', ' ')}" if held.close_code else ""
            return link(held, f"position #{held.pk} ({held.status}{why})")
        if hasattr(decision, "denial"):
            return format_html("denied: {} {}", decision.denial.get_code_display(), decision.denial.detail)
        return "waiting"

    @display(description="Legs")
    def legs_table(self, decision: Decision) -> SafeString:
        names = names_of(decision)
        limits = formats.decimals("price", [leg["limit_price"] for leg in decision.legs])
        fees = formats.decimals("money", [leg.get("fees") for leg in decision.legs])
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    leg["side"].upper(),
                    titled(
                        page_url("markets.market", leg["ticker"]),
                        names.get(leg["ticker"], leg["ticker"]),
                        leg["ticker"],
                    ),
                    signed("count", leg["count"]),
                    signed("price", leg["limit_price"], limits),
                    signed("money", leg.get("fees"), fees),
                )
                for leg in decision.legs
            ),
        )
        return format_html(
            '<table class="k-table"><thead><tr><th>Side</th><th>Outcome</th><th class="k-right">Contracts</th>'
            '<th class="k-right">Limit</th><th class="k-right">Fees</th></tr></thead><tbody>{}</tbody></table>',
            rows,
        )

    @display(description="Payoff over every settlement state")
    def payoff_table(self, decision: Decision) -> SafeString:
        pays = formats.decimals("money", [payout for _, payout in decision.payoff])
        profits = formats.decimals("money", [payout - decision.cost for _, payout in decision.payoff])
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (state, signed("money", payout, pays), signed("gain", payout - decision.cost, profits))
                for state, payout in decision.payoff
            ),
        )
        return format_html(
            '<table class="k-table"><thead><tr><th>If</th><th class="k-right">Pays</th><th class="k-right">Profit</th></tr>'
            "</thead><tbody>{}</tbody></table>",
            rows,
        )

    @display(description="From the frame to the open position")
    def stages_table(self, decision: Decision) -> SafeString | str:
        moments = {**decision.trace, **(decision.position.trace if hasattr(decision, "position") else {})}
        known = trace.steps(moments)
        if not known:
            return "Nothing was noted."
        rows = format_html_join(
            "",
            '<tr><td>{}</td><td>{}</td><td class="k-right">{}</td></tr>',
            (
                (
                    trace.SENTENCES[stage],
                    f"{timezone.localtime(clock.from_us(at)):%H:%M:%S.%f}",
                    "" if taken is None else f"{taken / 1000:+.1f} ms",
                )
                for stage, at, taken in known
            ),
        )
        return format_html(
            '<table class="k-table"><thead><tr><th>Stage</th><th>At ({})</th><th class="k-right">After the one before</th>'
            "</tr></thead><tbody>{}</tbody></table>",
            timezone.localtime(decision.created_at).tzname(),
            rows,
        )


def names_of(decision: Decision) -> dict[str, str]:
    """The names of the outcomes of the decision's event, by ticker."""
    return dict(markets_of(decision.event).exclude(yes_sub_title="").values_list("ticker", "yes_sub_title"))
