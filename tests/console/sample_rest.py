"""A row of every model that the samples lack, so that every list and every page is seen with a row in it.

Apart from the samples themselves: a lock or an exit request among them would stop what other tests want to go on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kalbot.common import clock
from kalbot.console.models import Act
from kalbot.console.notify import addresses
from kalbot.console.notify.models import Channel, Delivery, EventKind, Notification, Severity
from kalbot.console.ops import schedules
from markets.models import ContractTerms, ExchangeMessage, FeeChange, ReviewedSeries, TapeGap, Watch
from trading.models import (
    AccountTransaction,
    Correction,
    ExchangeAccount,
    ExitRequest,
    ForeignOrder,
    LiveEventClaim,
    Lock,
)
from triage.models import Baseline, LearnedErrors, PointForecast, SourceForecast


def rows(sample: dict[str, Any]) -> None:
    """One row of each of them, with what its columns hold in earnest."""
    schedules.seed()
    _notices()
    _markets(sample)
    _trading(sample)
    _triage(sample)


def _notices() -> None:
    channel = Channel.objects.create(name="phone", address=addresses.encrypt("json://localhost"), service="JSON")
    notice = Notification.objects.create(
        kind=EventKind.OPENED, severity=Severity.INFO, key="opened:1", title="Position #1 is open", body="5 baskets"
    )
    Delivery.objects.create(notification=notice, channel=channel)
    shown = [("Changed", "nothing")]
    Act.objects.create(token="t1", name="halt", actor="ann", reason="odd prices", target="all profiles", shown=shown)


def _markets(sample: dict[str, Any]) -> None:
    event, now = sample["events"][0], clock.now()
    Watch.objects.create(event=event, source="screening")
    payload = {"market_ticker": "KXHIGHNY-T1", "event_type": "determined", "result": "yes", "price": 41}
    ExchangeMessage.objects.create(kind="lifecycle", key="lifecycle:1", payload=payload)
    ReviewedSeries.objects.create(series=event.series, reason="the rules name every temperature", reviewed_by="ann")
    FeeChange.objects.create(
        pk="fee-1", series=event.series, scheduled_at=now, fee_type="quadratic", fee_multiplier_e6=1_000_000
    )
    TapeGap.objects.create(writer="stream@sample", began_at=now, ended_at=now, reason="the disk was full")
    ContractTerms.objects.create(exchange="kalshi", url="https://example.com/NHIGH.pdf", series_tickers=["KXHIGHNY"])


def _trading(sample: dict[str, Any]) -> None:
    held, now = sample["held"], clock.now()
    leg = held.legs.first()
    account = ExchangeAccount.objects.create(
        opening=10_000_000_000,
        balance=9_735_250_900,
        seen_at=now,
        shards={"0": 3_738_555_000, "1": 5_996_695_900},
        foreign={leg.market_id: -725},
    )
    key = f"trade:{leg.market_id}"
    AccountTransaction.objects.create(account=account, kind="trade", key=key, evidence={"fills": ["a", "b"]})
    ForeignOrder.objects.create(exchange_order_id="f-1", ticker=leg.market_id, side="yes", price=4_100, count=500)
    prices = [{"ticker": leg.market_id, "side": leg.side, "price": 815}]
    ExitRequest.objects.create(position=held, source="person", actor="ann", reason="enough", least_prices=prices)
    lock = {"reason": "position #7: no bid", "until": now + timedelta(minutes=5), "profile": held.profile}
    Lock.objects.create(code="residual", **lock)
    LiveEventClaim.objects.get_or_create(event=held.event, defaults={"position": held})
    taken = {"count": 100, "proceeds": 400_000, "fees": 0, "cost": 410_000}
    Correction.objects.create(leg=leg, mode=held.mode, key="c-1", actor="ann", reason="sold by hand", **taken)


def _triage(sample: dict[str, Any]) -> None:
    held, event, now = sample["held"], sample["events"][0], clock.now()
    tickers = list(event.markets.values_list("ticker", flat=True))
    closing = dict.fromkeys(tickers, clock.now_ms())
    Baseline.objects.create(
        position=held, tickers=tickers, close_times=closing, last={"sell": 5_000_000, "advice": "hold"}
    )
    chances = dict.fromkeys(tickers, 1 / len(tickers))
    said = {"source": "nws", "event": event, "formed_at": now}
    SourceForecast.objects.create(**said, probabilities=chances, market_probabilities=chances, brier=0.0201674)
    measured = {"value": 80.0, "published_spread": 2.7, "bias": 0.2257950037037, "spread": 2.3454121333333}
    PointForecast.objects.create(
        **said,
        subject="high/KNYC",
        unit="fahrenheit",
        lead="12-24",
        lead_hours=16.0,
        issued_at=now,
        version=4,
        **measured,
    )
    LearnedErrors.objects.create(estimator="shrunk-huber-1", settled=20, cells={}, weights={"nws": 0.8})
