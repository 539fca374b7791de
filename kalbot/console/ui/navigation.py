"""What surrounds every page: the sidebar, the banner's data, our stylesheet and script. All served from here, nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

SECTIONS: list[tuple[str, list[tuple[str, str, str, str]]]] = [
    (
        "Dashboard",
        [
            ("Overview", "space_dashboard", "admin:index", ""),
            ("Why not?", "help", "admin:why", "strategies.view_verdict"),
            ("Backtests", "history", "admin:backtests", "backtest.view_backtestrun"),
            ("Calibration", "balance", "admin:calibration", "backtest.view_calibrationreport"),
            ("Results", "monitoring", "admin:results", "trading.view_ledgertransaction"),
            ("Capital", "account_balance_wallet", "admin:capital", "trading.view_ledgertransaction"),
            ("Quotes", "format_list_numbered", "admin:quotes", "trading.view_ledgertransaction"),
            ("Paper against live", "compare", "admin:shadows", "trading.view_position"),
            ("Operate", "tune", "admin:operate", "trading.view_tradingstate"),
        ],
    ),
    (
        "Trading",
        [
            ("Open positions", "work", "admin:open_positions", "trading.view_position"),
            ("Positions", "inventory_2", "trading.position", ""),
            ("Recommendations", "recommend", "triage.recommendation", ""),
            ("Scoreboard", "leaderboard", "admin:scoreboard", "triage.view_sourceforecast"),
            ("Orders", "receipt_long", "trading.order", ""),
            ("Fills", "done_all", "trading.fill", ""),
            ("Ledger", "account_balance", "trading.ledgertransaction", ""),
            ("Settlements", "paid", "trading.settlement", ""),
            ("Exports", "download", "admin:exports", "trading.view_fill"),
            ("Balances", "savings", "trading.profilebalance", ""),
            ("Exit requests", "logout", "trading.exitrequest", ""),
            ("Locks", "lock", "trading.lock", ""),
            ("Discrepancies", "difference", "trading.discrepancy", ""),
            ("Reconciliations", "balance", "trading.reconciliation", ""),
        ],
    ),
    (
        "Strategies",
        [
            ("Profiles", "tactic", "strategies.profile", ""),
            ("Compare profiles", "compare", "admin:profile_compare", "strategies.view_profile"),
            ("Near misses", "target", "strategies.nearmiss", ""),
            ("Verdicts", "gavel", "strategies.verdict", ""),
            ("Decisions", "fact_check", "strategies.decision", ""),
            ("Denials", "block", "trading.denial", ""),
            ("Screenings", "filter_alt", "strategies.screening", ""),
            ("Cycles", "cycle", "strategies.cycle", ""),
        ],
    ),
    (
        "Markets",
        [
            ("Events", "event", "markets.event", ""),
            ("Families", "join", "admin:families", "markets.view_event"),
            ("Markets", "storefront", "markets.market", ""),
            ("Series", "category", "markets.series", ""),
            ("Certificates", "verified", "markets.certificate", ""),
            ("Contract terms", "gavel", "markets.contractterms", ""),
            ("Reviewed series", "rate_review", "markets.reviewedseries", ""),
            ("Scans", "radar", "markets.scan", ""),
            ("Holes in the tape", "content_cut", "markets.tapegap", ""),
            ("Watches", "visibility", "markets.watch", ""),
            ("Stream inbox", "inbox", "markets.exchangemessage", ""),
        ],
    ),
    (
        "System",
        [
            ("Acts of people", "history", "console.act", ""),
            ("Task runs", "checklist", "console.taskrecord", ""),
            ("Log", "notes", "console.logrecord", ""),
            ("Notifications", "notifications", "console.notification", ""),
            ("Channels", "campaign", "console.channel", ""),
            ("Deliveries", "outbox", "console.delivery", ""),
            ("Schedules", "schedule", "django_celery_beat.periodictask", ""),
            ("Users", "person", "auth.user", ""),
            ("Groups", "group", "auth.group", ""),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's navigation; a person sees what they may view."""
    return [
        {
            "title": title,
            "separator": title != "Dashboard",
            "collapsible": False,
            "items": [item(*entry) for entry in entries],
        }
        for title, entries in SECTIONS
    ]


def item(title: str, icon: str, target: str, permission: str) -> dict[str, Any]:
    """One line of the sidebar. ``target`` is an address's name, or ``app.model`` for a list."""
    if target.startswith("admin:"):
        link = reverse_lazy(target)
    else:
        app, model = target.split(".")
        link = reverse_lazy(f"admin:{app}_{model}_changelist")
        permission = permission or f"{app}.view_{model}"
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "permission": lambda request: not permission or request.user.has_perm(permission),
        "badge": None,  # both are read on every page, and a name that is missing is searched for everywhere
        "link_callback": None,
    }


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """What a person may do with their own login."""
    return [
        {"title": "Change password", "link": reverse_lazy("admin:password_change")},
        {"title": "Second factor", "link": reverse_lazy("admin:second_factor")},
        {"title": "API tokens", "link": reverse_lazy("admin:tokens")},
        {"title": "Time zone", "link": reverse_lazy("admin:time_zone")},
    ]


def environment(request: HttpRequest) -> list[str]:
    """Unfold's badge: which exchange, and whether live orders are allowed at all."""
    return [exchange(), "danger" if settings.KALBOT_LIVE and exchange() == "production" else "info"]


def exchange() -> str:
    """Which exchange the addresses point at: simulator, demo or production."""
    host = settings.KALSHI_REST_URL.split("/")[2].split(":")[0]
    if host in ("localhost", "127.0.0.1", "::1", "simulator"):
        return "simulator"
    return "demo exchange" if "demo" in host else "production"


def stylesheet(request: HttpRequest) -> str:
    """Our stylesheet."""
    return static("console/console.css")


def script(request: HttpRequest) -> str:
    """Our script."""
    return static("console/console.js")


def favicon(request: HttpRequest) -> str:
    """Our icon."""
    return static("console/icon.svg")
