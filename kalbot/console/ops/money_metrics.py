"""The metrics of ``/metrics`` that come from the database: what is held, made, owed and refused. Dollars are floats on this page alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count, Max, Q, Sum
from prometheus_client.core import GaugeMetricFamily, Metric

from kalbot.common import clock
from kalbot.console.ops.equity import unrealised_of
from kalbot.console.pages.home import obstacles
from kalbot.console.pages.home.summary import latency, ledger_summaries
from strategies.models import NearMiss, Profile, Verdict
from trading.models import ACTIVE, Denial, Discrepancy, ExchangeAccount, Position, Reconciliation, TradingState

DENIALS_WITHIN_DAYS = 1


def dollars(amount: int | None) -> float:
    """Micro-dollars as dollars."""
    return (amount or 0) / 1e6


def positions() -> Iterator[Metric]:
    """Positions by status, and the cost of those that are active."""
    held = GaugeMetricFamily("kalbot_positions", "Positions by status", labels=["profile", "mode", "status"])
    cost = GaugeMetricFamily("kalbot_open_cost_dollars", "Cost of active positions", labels=["profile", "mode"])
    rows = Position.objects.order_by().values_list("profile__name", "mode", "status")
    for name, mode, status, number in rows.annotate(Count("pk")):
        held.add_metric([name, mode, status], number)
    active = Position.objects.filter(status__in=ACTIVE).order_by().values_list("profile__name", "mode")
    for name, mode, paid in active.annotate(Sum("cost")):
        cost.add_metric([name, mode], dollars(paid))
    yield held
    yield cost


def profit() -> Iterator[Metric]:
    """Per profile: realised profit, and what the ledger is off by."""
    labels = ["profile", "mode"]
    realised = GaugeMetricFamily("kalbot_realised_dollars", "Realised profit since the beginning", labels=labels)
    off = GaugeMetricFamily("kalbot_ledger_difference_dollars", "Ledger against positions; must be 0", labels=labels)
    books = ledger_summaries()
    for profile in Profile.objects.filter(pk__in=books):
        found = books[profile.pk]
        realised.add_metric([profile.name, profile.mode], dollars(found["realised"]))
        off.add_metric([profile.name, profile.mode], dollars(found["difference"]))
    yield from (realised, off)


def open_profit() -> Iterator[Metric]:
    """Per profile what selling everything now would make, the number of the page of open positions, and equity with it. Positions
    without live books are in neither: they are counted, and a profile that has no other has no number."""
    labels = ["profile", "mode"]
    open_ = GaugeMetricFamily("kalbot_unrealised_dollars", "What selling at the bids of now would make", labels=labels)
    unpriced = GaugeMetricFamily("kalbot_unpriced_positions", "Open positions without live books", labels=labels)
    equity = GaugeMetricFamily(
        "kalbot_equity_dollars", "Capital, what was realised and open profit where it is known", labels=labels
    )
    profiles = list(Profile.objects.all())
    made, books = unrealised_of(profiles), ledger_summaries()
    for profile in profiles:
        key, (now, missing), found = [profile.name, profile.mode], made[profile.pk], books[profile.pk]
        if now is not None or not missing:
            open_.add_metric(key, dollars(now))
        unpriced.add_metric(key, missing)
        equity.add_metric(key, dollars(found["starting"] + found["realised"] + (now or 0)))
    yield from (open_, unpriced, equity)


def account() -> Iterator[Metric]:
    """The exchange's own word: cash, difference, and how long ago a comparison came to an end."""
    balance = GaugeMetricFamily("kalbot_exchange_balance_dollars", "Cash by the exchange", labels=["subaccount"])
    off = GaugeMetricFamily("kalbot_exchange_difference_dollars", "Exchange less ours", labels=["subaccount"])
    for row in ExchangeAccount.objects.all():
        balance.add_metric([str(row.subaccount)], dollars(row.balance))
        if row.difference is not None:
            off.add_metric([str(row.subaccount)], dollars(row.difference))
    yield balance
    yield off
    age = GaugeMetricFamily("kalbot_reconciliation_age_seconds", "Since the last good comparison", labels=["mode"])
    good = Reconciliation.objects.filter(error="").exclude(finished_at=None).order_by().values_list("mode")
    for mode, at in good.annotate(Max("finished_at")):
        age.add_metric([mode], (clock.now() - at).total_seconds())
    yield age


def safety() -> Iterator[Metric]:
    """Open differences, trading states that are not active, and the last day's denials by code."""
    yield GaugeMetricFamily(
        "kalbot_open_discrepancies",
        "Unexplained differences with the exchange",
        value=Discrepancy.objects.filter(resolved_at=None).count(),
    )
    tight = GaugeMetricFamily(
        "kalbot_trading_not_active", "1: this scope is reducing or halted", labels=["scope", "state"]
    )
    for row in TradingState.objects.exclude(Q(state=TradingState.State.ACTIVE)):
        tight.add_metric([row.scope, row.state], 1)
    yield tight
    denials = GaugeMetricFamily("kalbot_denials_last_day", "Denials of the last day by code", labels=["mode", "code"])
    since = clock.now() - timedelta(days=DENIALS_WITHIN_DAYS)
    rows = Denial.objects.filter(at__gte=since).order_by().values_list("decision__mode", "code")
    for mode, code, number in rows.annotate(Count("pk")):
        denials.add_metric([mode, code], number)
    yield denials


def stopped() -> Iterator[Metric]:
    """What stops new baskets now, of every profile (``profile`` is empty) or of one, as the console's banner names it."""
    found = GaugeMetricFamily("kalbot_stopped", "1: no new baskets, for this reason", labels=["profile", "code"])
    every = obstacles.all_found(obstacles.read())
    for profile, code in sorted({(one.profile, str(one.code)) for one in every}):
        found.add_metric([profile, code], 1)
    yield found


def search() -> Iterator[Metric]:
    """Candidates among the open events, and open near misses, as *Why not?* counts them."""
    found = GaugeMetricFamily("kalbot_verdicts", "Candidates and open near misses", labels=["profile", "what"])
    verdicts = Verdict.objects.filter(status="candidate", event__is_open=True).order_by()
    candidates = dict(verdicts.values_list("profile").annotate(Count("pk")))
    misses = dict(NearMiss.objects.filter(ended_at=None).order_by().values_list("profile").annotate(Count("pk")))
    for pk, name in Profile.objects.values_list("pk", "name"):
        found.add_metric([name, "candidate"], candidates.get(pk, 0))
        found.add_metric([name, "near_miss"], misses.get(pk, 0))
    yield found


def latencies() -> Iterator[Metric]:
    """Milliseconds of a cycle, and from decision to first order."""
    family = GaugeMetricFamily(
        "kalbot_latency_ms", "Latency of the last thousand cycles and 200 baskets", labels=["what", "quantile"]
    )
    for what, quantiles in latency().items():
        for quantile, value in quantiles.items():
            if value is not None:
                family.add_metric([what, quantile], value)
    yield family
