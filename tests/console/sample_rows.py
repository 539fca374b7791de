"""Realistic rows: weather and game events, verdicts, near misses, positions at every stage, ledger and log.

Numbers add up as the real ones do (cost = prices x counts + fees, ledger entries sum to zero), so that pages which compare them show
no difference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from django.contrib.auth.models import Group, User

from kalbot.common import cache, clock
from kalbot.console.models import LogRecord, TaskRecord
from kalbot.console.ops import exchange_status, price_history
from markets import prices
from markets.models import Certificate, Event, Market, Scan, Series
from strategies.models import DOLLAR, Cycle, Decision, NearMiss, Profile, Screening, Verdict
from strategies.profiles import seeds
from trading import ledger
from trading.models import (
    Account,
    Denial,
    Discrepancy,
    Fill,
    Leg,
    Order,
    PaperOrder,
    Position,
    PositionEvent,
    Reconciliation,
    TradingState,
)
from triage.models import Assessment, Recommendation

DEGREES = ["78° or below", "79° to 80°", "81° to 82°", "83° to 84°", "85° to 86°", "87° or above"]
BIDS = [400, 1_100, 2_900, 3_600, 1_300, 300]
CITIES = {
    "NY": "New York City",
    "CHI": "Chicago",
    "MIA": "Miami",
    "AUS": "Austin",
    "DEN": "Denver",
    "PHIL": "Philadelphia",
}


def person(name: str, role: str = "", password: str = "let-me-in-please", **values: Any) -> User:
    """A member of staff, in the group of ``role`` (viewer, operator, risk manager) or a superuser without one."""
    user = User.objects.create_user(name, password=password, is_staff=True, is_superuser=not role, **values)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def scan(minutes_ago: int = 1) -> Scan:
    """A finished scan of the size of the real exchange."""
    began = clock.now() - timedelta(minutes=minutes_ago)
    return Scan.objects.create(
        started_at=began,
        finished_at=began + timedelta(seconds=9),
        status=Scan.Status.DONE,
        pages=63,
        events=12_552,
        markets=103_449,
        combos_left_out=418,
        events_written=310,
        markets_written=5_120,
        duration_ms=9_240,
    )


def series(
    ticker: str = "KXHIGHNY", title: str = "Highest temperature in New York City", category: str = "Climate and Weather"
) -> Series:
    """A series with the usual quadratic fee."""
    found, _ = Series.objects.get_or_create(
        ticker=ticker, defaults={"title": title, "category": category, "frequency": "daily", "fee_type": "quadratic"}
    )
    return found


def weather_event(city: str = "NY", day: str = "26NOV24", *, hours: float = 9) -> Event:
    """Six temperature ranges that tile the line, with quotes."""
    family = series(f"KXHIGH{city}", f"Highest temperature in {CITIES[city]}")
    event = Event.objects.create(
        ticker=f"{family.ticker}-{day}",
        series=family,
        category=family.category,
        mutually_exclusive=True,
        market_count=6,
        title=f"Highest temperature in {CITIES[city]} on Nov 24?",
        close_time=clock.now() + timedelta(hours=hours),
        volume=18_240_00,
        open_interest=9_310_00,
        rules_hash="a1" * 16,
    )
    for place, (name, bid) in enumerate(zip(DEGREES, BIDS, strict=True)):
        Market.objects.create(
            ticker=f"{event.ticker}-B{78 + 2 * place}",
            event=event,
            status="active",
            yes_sub_title=name,
            yes_bid=bid,
            yes_ask=bid + 200,
            yes_bid_size=35_000,
            yes_ask_size=21_000,
            last_price=bid + 100,
            volume=304_000,
            volume_24h=51_000,
            open_interest=155_100,
            close_time=event.close_time,
            rules_primary=f"If the highest temperature is {name}, the market resolves to Yes.",
            strike_type="between",
            price_bands=[[0, 10_000, 100]],
        )
    return event


def publish(event: Event, epoch: str = "epoch-1") -> None:
    """The event's books in Redis, as the stream writes them."""
    now = clock.now_ms()
    records = []
    for market in event.markets.order_by("ticker"):
        yes = tuple(
            (market.yes_bid - 100 * step, 20_000 + 9_000 * step) for step in range(4) if market.yes_bid > 100 * step
        )
        no = tuple((10_000 - market.yes_ask - 100 * step, 15_000 + 8_000 * step) for step in range(4))
        records.append(
            prices.MarketRecord(
                market.ticker,
                "active",
                yes[0][0] if yes else None,
                market.yes_ask,
                7,
                1,
                now,
                now,
                False,
                True,
                yes,
                no,
            )
        )
    client = cache.prices()
    client.set(f"{prices.EVENT_KEY}{event.ticker}", msgspec.msgpack.encode(prices.EventRecord(epoch, tuple(records))))
    client.set(f"{prices.LEASE_KEY}0", msgspec.msgpack.encode(prices.Lease(epoch, now, "1")), px=600_000)
    figures = {
        "per_second": 1_240.0,
        "messages": 812_400,
        "gaps": 3,
        "lag_ms": 12,
        "applied": 812_001,
        "ignored": 399,
        "rejected": 0,
    }
    client.set(f"{prices.METRICS_KEY}0", msgspec.json.encode(figures))


def walk(event: Event, points: int = 60) -> None:
    """A price history that wanders to where the books are now, as the sampler would have kept it."""
    markets = list(event.markets.order_by("ticker"))
    client, now = cache.prices(), clock.now_ms()
    for step in range(points):
        quotes: dict[str, tuple[int | None, int | None]] = {}
        for place, market in enumerate(markets):
            away = (points - 1 - step) * (7 * (place % 3) - 6) // 3 * 3 + 100 * ((step * (place + 2)) % 5 < 2)
            bid = max(100, market.yes_bid + (away if step < points - 1 else 0))
            quotes[market.ticker] = (bid, min(9_900, bid + 200))
        point = price_history.Point(now - (points - 1 - step) * 120_000, quotes)
        client.rpush(f"{price_history.KEY}{event.ticker}", msgspec.msgpack.encode(point))


def decision(profile: Profile, event: Event, *, count: int = 2_500) -> Decision:
    """NO on three outcomes: pays two dollars a basket at least, whatever happens."""
    legs = list(event.markets.order_by("ticker")[2:5])
    prices_ = [10_000 - market.yes_bid - 150 for market in legs]
    prices_[0] -= sum(prices_) - 19_700
    fees = 2_100 * count // 100 * 3
    cost = sum(prices_) * count + fees
    floor = 20_000 * count
    names = {market.ticker: market.yes_sub_title for market in event.markets.order_by("ticker")}
    payoff = [
        [f"{name} wins", (2 if any(ticker == leg.ticker for leg in legs) else 3) * 10_000 * count]
        for ticker, name in names.items()
    ]
    return Decision.objects.create(
        profile=profile,
        mode=profile.mode,
        event=event,
        kind="all_no",
        count=count,
        cost=cost,
        fees=fees,
        max_cost=cost + 20_000,
        floor=floor,
        conditional=floor,
        expected=floor + 5_000 * count,
        coverage_ppm=1_000_000,
        margin_ppm=(floor - cost) * 1_000_000 // cost,
        guaranteed=floor > cost,
        epoch="epoch-1",
        price_age_ms=42,
        payoff=[*payoff, ["none of them wins", 30_000 * count]],
        legs=[
            {
                "ticker": market.ticker,
                "side": "no",
                "count": count,
                "limit_price": price,
                "price_paid": price,
                "fees": fees // 3,
                "exchange_ms": clock.now_ms(),
                "receive_ms": clock.now_ms(),
                "seq": 7,
            }
            for market, price in zip(legs, prices_, strict=True)
        ],
        probabilities=dict.fromkeys(names, 1 / 6),
        explanation="NO on three outcomes pays at least $2.00 a basket.",
    )


def position(
    profile: Profile, event: Event, status: str = "open", *, hours_ago: float = 2, count: int = 2_500
) -> Position:
    """A filled basket with orders, fills, bookings and events; ``status`` open, exiting, settled or executing (half-filled)."""
    taken = decision(profile, event, count=count)
    held = Position.objects.create(
        profile=profile,
        mode=profile.mode,
        decision=taken,
        event=event,
        kind=taken.kind,
        target_count=count,
        matched_count=count,
        cost=taken.cost,
        fees=taken.fees,
        floor=taken.floor,
        guaranteed=taken.guaranteed,
        opened_at=clock.now() - timedelta(hours=hours_ago),
    )
    Position.objects.filter(pk=held.pk).update(created_at=clock.now() - timedelta(hours=hours_ago, seconds=1))
    for place, entry in enumerate(taken.legs):
        buy_leg(held, entry, place)
    happened(held, "", "pending", "decided")
    happened(held, "pending", "executing", "capital reserved")
    happened(held, "executing", "open", "every leg filled")
    Position.objects.filter(pk=held.pk).update(status="open")
    ledger.ensure_funded(profile)
    booking(
        profile,
        held,
        "fill",
        [(Account.CASH, -held.cost), (Account.POSITION_COST, held.cost - held.fees), (Account.FEES, held.fees)],
    )
    if status == "settled":
        settle(held)
    elif status != "open":
        Position.objects.filter(pk=held.pk).update(status=status)
    held.refresh_from_db()
    return held


def buy_leg(held: Position, entry: dict[str, Any], place: int) -> None:
    """One leg with its order and two fills."""
    paid = entry["limit_price"] * entry["count"] + entry["fees"]
    leg = Leg.objects.create(
        position=held,
        market_id=entry["ticker"],
        side=entry["side"],
        sequence=place,
        target_count=entry["count"],
        limit_price=entry["limit_price"],
        bought_count=entry["count"],
        bought_cost=paid,
        fees=entry["fees"],
        open_cost=paid,
        open_fees=entry["fees"],
    )
    order = Order.objects.create(
        profile=held.profile,
        mode=held.mode,
        position=held,
        leg=leg,
        action="buy",
        purpose="entry",
        side=entry["side"],
        price=entry["limit_price"],
        count=entry["count"],
        status="done",
        exchange_order_id=f"ex-{held.pk}-{place}",
        filled_count=entry["count"],
        reported_fill_count=entry["count"],
        sent_at=clock.now(),
        ended_at=clock.now(),
        reason="entry of the basket",
    )
    if held.mode == "sim":
        PaperOrder.objects.create(
            order=order,
            profile=held.profile,
            market_id=entry["ticker"],
            side=entry["side"],
            action="buy",
            remaining_count=0,
            filled_count=entry["count"],
            fills=[],
            at=clock.now() - timedelta(hours=1),
            is_open=False,
        )
    half = entry["count"] // 2
    for number, part in enumerate((half, entry["count"] - half)):
        Fill.objects.create(
            order=order,
            mode=held.mode,
            trade_id=f"t-{held.pk}-{place}-{number}",
            price=entry["limit_price"],
            count=part,
            fee=entry["fees"] // 2,
            source="websocket",
            exchange_at=clock.now(),
        )


def settle(held: Position) -> None:
    """The floor was paid: cash back, profit realised."""
    payout, gained = held.floor, held.floor - held.cost
    booking(
        held.profile,
        held,
        "settlement",
        [
            (Account.CASH, payout),
            (Account.POSITION_COST, held.fees - held.cost),
            (Account.FEES, -held.fees),
            (Account.REALISED, -gained),
        ],
    )
    for leg in held.legs.all():
        Leg.objects.filter(pk=leg.pk).update(
            settled_count=leg.bought_count, payout=payout // 3, open_cost=0, open_fees=0
        )
    happened(held, "open", "settled", "every market is determined")
    Position.objects.filter(pk=held.pk).update(
        status="settled",
        cost=0,
        payout=payout,
        realised=gained,
        matched_count=0,
        ended_at=clock.now() - timedelta(minutes=30),
        close_type="settled",
    )


def booking(profile: Profile, held: Position, kind: str, entries: list[tuple[str, int]]) -> None:
    """One ledger transaction."""
    from django.db import transaction

    with transaction.atomic():
        ledger.post(
            profile=profile,
            kind=kind,
            key=f"{kind}:{held.pk}",
            entries=entries,
            position=held,
            memo=f"{kind} of #{held.pk}",
        )


def happened(held: Position, before: str, after: str, reason: str) -> None:
    """An event row."""
    PositionEvent.objects.create(position=held, from_status=before, to_status=after, reason=reason)


def near_miss(
    profile: Profile, event: Event, distance_ppm: int = 6_200, constraint: str = "margin", **values: Any
) -> NearMiss:
    """An open episode with its verdict."""
    shown = {
        "value": "-0.52 %",
        "limit": "0.1 %",
        "flip": f"the three NO legs together ${distance_ppm / 1e6 * 2:.4f} cheaper",
    }
    Verdict.objects.update_or_create(
        profile=profile,
        event=event,
        defaults={
            "status": "near_miss",
            "constraint": constraint,
            "distance_ppm": distance_ppm,
            "kind": "all_no",
            "since": clock.now() - timedelta(minutes=12),
            **shown,
        },
    )
    return NearMiss.objects.create(
        profile=profile,
        event=event,
        kind="all_no",
        constraint=constraint,
        distance_ppm=distance_ppm,
        best_distance_ppm=distance_ppm // 2,
        evaluations=37,
        started_at=clock.now() - timedelta(minutes=12),
        last_seen_at=clock.now(),
        **{**shown, **values},
    )


def verdict(
    profile: Profile, event: Event, status: str = "rejected", constraint: str = "volume", **values: Any
) -> Verdict:
    """A standing verdict."""
    return Verdict.objects.create(
        profile=profile,
        event=event,
        status=status,
        constraint=constraint,
        since=clock.now() - timedelta(hours=1),
        **{"value": "120 contracts", "limit": "1,000 contracts", **values},
    )


def sample(*, history: int = 6) -> dict[str, Any]:
    """Rows of every kind. Returns what tests want to find again."""
    seeds.seed()
    careful, coverage = (Profile.objects.get(name=name) for name in ("careful", "coverage"))
    live = Profile.objects.create(
        name="live", mode="live", capital=10_000 * DOLLAR, description="Orders.", **seeds.GUARANTEED_ONLY
    )
    TradingState.objects.update_or_create(
        scope="global", defaults={"state": "active", "reason": "new installation", "actor": "seed"}
    )
    last = scan()
    events = [weather_event(city) for city in CITIES]
    for event in events:
        publish(event)
    walk(events[0])
    exchange_status.keep(exchange_status.Outside(clock.now_ms(), skew_ms=38))
    Certificate.objects.create(
        event=events[0],
        status="granted",
        kind="tiling",
        rules_hash=events[0].rules_hash,
        evidence=["78° or below", "79° to 86°", "87° or above: the ranges tile the line"],
    )
    for number in range(history):
        past = weather_event("NY", f"26NOV{10 + number}", hours=-24 * (history - number))
        Event.objects.filter(pk=past.pk).update(is_open=False)
        ended = position(live if number % 2 else careful, past, "settled", hours_ago=24 * (history - number))
        Position.objects.filter(pk=ended.pk).update(
            ended_at=clock.now() - timedelta(hours=24 * (history - number) - 20)
        )
    held = position(live, events[0])
    paper = position(careful, events[1], hours_ago=0.2)
    leaving = position(careful, events[2], "exiting", hours_ago=5)
    for profile in (careful, coverage, live):
        for place, event in enumerate(events):
            if place < 2:
                near_miss(profile, event, 4_100 + 2_900 * place + 137 * profile.pk)
            elif place == 2:
                verdict(
                    profile,
                    event,
                    "candidate",
                    "",
                    value="",
                    limit="",
                    live_at=clock.now(),
                    live_constraint="margin",
                    live_value="-0.31 %",
                )
            else:
                verdict(profile, event, constraint=["volume", "certificate", "closes_late"][place - 3])
        Screening.objects.create(
            scan=last,
            profile=profile,
            universe=6,
            candidates=1,
            near_misses=2,
            rejected=3,
            duration_ms=210,
            counts={"margin": 2, "volume": 1, "certificate": 1, "closes_late": 1},
        )
    for number in range(30):
        Cycle.objects.create(
            started_at=clock.now() - timedelta(seconds=3 * number),
            duration_ms=8 + number % 5,
            read_ms=2,
            candidates=3,
            evaluated=3,
            decisions=int(number == 4),
            refused={"margin": 3},
        )
    denied = decision(coverage, events[3])
    Denial.objects.create(decision=denied, code="capital", detail="$197.00 are not free")
    assess(held, events[0])
    trouble()
    return {
        "careful": careful,
        "coverage": coverage,
        "live": live,
        "events": events,
        "held": held,
        "paper": paper,
        "leaving": leaving,
        "scan": last,
    }


def assess(held: Position, event: Event) -> None:
    """Two looks of triage with what a source said, and advice that stands."""
    tickers = list(event.markets.order_by("ticker").values_list("ticker", flat=True))
    bounds = {ticker: [77 + 2 * i, 78 + 2 * i] for i, ticker in enumerate(tickers)}
    said = {
        "source": "nws",
        "opinion": True,
        "age_ms": 640_000,
        "detail": "high at KNYC: forecast 82 °F, 80 °F measured so far",
        "error": "1.7 °F",
        "worth": held.floor,
        "gain": -5_000_000,
        "coverage_ppm": 1_000_000,
        "probabilities": dict.fromkeys(tickers, round(1 / len(tickers), 4)),
        "plot": {
            "unit": "°F",
            "measured": 80,
            "pmf": {"80": 0.1, "81": 0.2, "82": 0.4, "83": 0.2, "84": 0.1},
            "bounds": bounds,
        },
    }
    silent = {
        "source": "openmeteo",
        "opinion": False,
        "age_ms": 640_000,
        "detail": "the day has begun and this source measures nothing",
        "error": "",
        "worth": None,
        "gain": None,
        "coverage_ppm": None,
        "probabilities": {},
        "plot": {},
    }
    Assessment.objects.create(
        position=held,
        advice="hold",
        sell_now=held.cost - 2_100_000,
        hold_expected=held.floor + 900_000,
        floor=held.floor,
    )
    seen = Assessment.objects.create(
        sources=[said, silent],
        probabilities=said["probabilities"],
        position=held,
        advice="watch",
        sell_now=held.cost - 4_300_000,
        hold_expected=held.floor + 1_200_000,
        floor=held.floor,
        coverage_ppm=1_000_000,
        price_age_ms=180,
        signals=[
            {
                "code": "close_time_changed",
                "severity": "watch",
                "detail": "closes 2 h earlier than at entry",
                "source": "market",
                "age_ms": 4_000,
            }
        ],
    )
    Recommendation.objects.create(
        position=held,
        reason="close_time_changed",
        advice="watch",
        assessment=seen,
        gain=-5_500_000,
        detail="The market closes 2 h earlier than when the basket was bought.",
    )


def trouble() -> None:
    """What makes an operator look: a discrepancy, a failed task, warnings."""
    run = Reconciliation.objects.create(
        started_at=clock.now() - timedelta(minutes=1),
        finished_at=clock.now(),
        mode="live",
        trigger="beat",
        orders=21,
        fills=42,
        positions=3,
        differences=1,
        balance_difference=0,
    )
    Discrepancy.objects.create(
        reconciliation=run, mode="live", code="unknown_position", key="KXHIGHNY-26NOV24-B82", ours="0", theirs="5"
    )
    TaskRecord.objects.create(
        id="task-1",
        name="trading.tasks.reconcile",
        queue="trading",
        worker="trading@demo",
        status="failed",
        started_at=clock.now() - timedelta(minutes=9),
        duration_ms=2_110,
        error="Traceback (most recent call last):\n  ...\nExchangeUnreachable: the exchange did not answer in 2 s",
    )
    LogRecord.objects.create(
        level="WARNING",
        logger="markets.streaming.connection",
        process="stream 4711",
        message="gap after sequence 88121 of subscription 3; asking for a snapshot",
    )
    LogRecord.objects.create(
        level="ERROR", logger="trading.reconcile", process="celery 4712", message="a live position that we do not know"
    )
