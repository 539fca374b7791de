"""Rows for the bench of the console."""

from __future__ import annotations

from django.db import transaction

from bench._rows import ago, insert, key, pick

CONSTRAINTS = ["margin", "volume", "certificate", "closes", "open_interest"]


@transaction.atomic
def fill(markets: int, episodes: int, orders: int) -> None:
    """The rows of the size that the lists must bear, plus the rows that come with it."""
    from kalbot.console.models import LogRecord, TaskRecord
    from strategies.models import Profile

    profiles = list(Profile.objects.order_by("pk").values_list("pk", "mode"))
    catalogue(markets)
    judged(markets // 8, episodes, [pk for pk, _ in profiles])
    traded(markets // 8, orders, profiles)
    insert(
        TaskRecord,
        20_000,
        id="'task-' || i",
        name="'trading.tasks.reconcile'",
        queue="'trading'",
        status="'done'",
        started_at=ago("i * 60"),
        duration_ms="i % 900",
    )
    insert(
        LogRecord,
        20_000,
        level=pick(["WARNING", "ERROR"], "i % 2"),
        logger="'trading.reconciliation.reconcile'",
        process="'celery 4711'",
        message="'a message of the log, number ' || i",
        at=ago("i * 30"),
    )


def catalogue(markets: int) -> None:
    """Series, events with eight outcomes each, a certificate for every third event, and a scan."""
    from markets.models import Certificate, Event, Market, Scan, Series

    events = markets // 8
    insert(
        Scan,
        200,
        started_at=ago("(200 - i) * 60"),
        finished_at=ago("(200 - i) * 60 - 9"),
        status="'done'",
        events=f"{events}",
        markets=f"{markets}",
        duration_ms="9000",
    )
    insert(
        Series,
        2_000,
        ticker="'S' || i",
        title="'Series ' || i",
        category="'Category ' || (i % 12)",
        fee_type="'quadratic'",
    )
    insert(
        Event,
        events,
        ticker="'E' || i",
        series_id="'S' || (i % 2000)",
        title="'Event number ' || i",
        category="'Category ' || (i % 12)",
        close_time=ago("-60 * i - 60"),
        volume="i * 37 % 1000003 * 100",
        market_count="8",
        mutually_exclusive="(1 = 1)",
        is_open="(i % 10 <> 0)",
    )
    insert(
        Market,
        markets,
        ticker="'E' || (i / 8) || '-M' || (i % 8)",
        event_id="'E' || (i / 8)",
        status="'active'",
        yes_sub_title="'Outcome ' || (i % 8)",
        yes_bid="1200",
        yes_ask="1300",
        volume="i",
        close_time=ago("-60 * (i / 8) - 60"),
    )
    insert(
        Certificate,
        events // 3,
        event_id="'E' || (i * 3)",
        status="'granted'",
        kind="'tiling'",
        rules_hash="'r'",
        created_at=ago("i"),
    )


def judged(events: int, episodes: int, profiles: list[int]) -> None:
    """A verdict a profile and event, and near-miss episodes of which 900 stand."""
    from strategies.models import Cycle, NearMiss, Screening, Verdict

    whose = pick(profiles, f"i / {events}")
    insert(
        Verdict,
        events * len(profiles),
        profile_id=whose,
        event_id=f"'E' || (i % {events})",
        since=ago("i % 86400"),
        status="CASE WHEN i % 50 = 0 THEN 'near_miss' WHEN i % 500 = 1 THEN 'candidate' ELSE 'rejected' END",
        constraint=pick(CONSTRAINTS, "i % 5"),
        distance_ppm="(i % 50000) * 7919 % 50000",
    )
    insert(
        NearMiss,
        episodes,
        profile_id=pick(profiles, f"i % {len(profiles)}"),
        event_id=f"'E' || (i % {events})",
        constraint=pick(CONSTRAINTS, "i % 5"),
        distance_ppm="(i % 50000) * 7919 % 50000",
        best_distance_ppm="i % 40000",
        started_at=ago("i + 60"),
        last_seen_at=ago("i"),
        ended_at=f"CASE WHEN i < 900 THEN NULL ELSE {ago('i')} END",
        ended_as="'rejected'",
        evaluations="i % 90",
        flip="'the legs together $0.0123 cheaper'",
    )
    insert(
        Cycle,
        40_000,
        started_at=ago("(40000 - i) * 4"),
        duration_ms="i % 30",
        candidates="3",
        evaluated="3",
        decisions="0",
    )
    insert(
        Screening,
        200 * len(profiles),
        scan_id=f"i / {len(profiles)} + 1",
        profile_id=pick(profiles, f"i % {len(profiles)}"),
        universe=f"{events}",
        duration_ms="4000",
    )


def traded(events: int, orders: int, profiles: list[tuple[int, str]]) -> None:
    """Positions of ten orders each with their decisions, legs, fills, bookings and assessments of triage; 60 positions are open."""
    from strategies.models import Decision
    from trading.models import Fill, LedgerEntry, LedgerTransaction, Leg, Order, Position, PositionEvent
    from triage.models import Assessment

    held, several = orders // 10, len(profiles)
    profile, mode = (
        pick([pk for pk, _ in profiles], f"{{}} % {several}"),
        pick([mode for _, mode in profiles], f"{{}} % {several}"),
    )
    own = {"profile_id": profile.format("i"), "mode": mode.format("i")}
    of_position = {"profile_id": profile.format(f"(i % {held})"), "mode": mode.format(f"(i % {held})")}
    insert(
        Decision,
        held,
        id=key("i"),
        event_id=f"'E' || (i % {events})",
        kind="'all_no'",
        count="100",
        legs="'[]'",
        cost="1000000",
        fees="0",
        max_cost="1000000",
        floor="1010000",
        conditional="1010000",
        expected="1010000",
        coverage_ppm="1000000",
        margin_ppm="10000",
        guaranteed="(1 = 1)",
        epoch="'e'",
        created_at=ago("i * 60"),
        **own,
    )
    ended = f"CASE WHEN i < 60 THEN NULL ELSE {ago('i * 60 - 3600')} END"
    insert(
        Position,
        held,
        decision_id=key("i"),
        event_id=f"'E' || (i % {events})",
        kind="'all_no'",
        target_count="100",
        matched_count="100",
        status="CASE WHEN i < 60 THEN 'open' ELSE 'settled' END",
        cost="1000000",
        realised="10000",
        floor="1010000",
        guaranteed="(1 = 1)",
        created_at=ago("i * 60"),
        opened_at=ago("i * 60"),
        ended_at=ended,
        **own,
    )
    insert(
        Leg,
        held,
        position_id="i + 1",
        market_id=f"'E' || (i % {events}) || '-M0'",
        side="'no'",
        target_count="100",
        limit_price="5000",
        bought_count="100",
        bought_cost="1000000",
    )
    insert(
        Order,
        orders,
        id=key("i"),
        position_id=f"i % {held} + 1",
        leg_id=f"i % {held} + 1",
        action="'buy'",
        purpose="'entry'",
        side="'no'",
        price="5000",
        count="100",
        status="CASE WHEN i % 20 = 0 THEN 'rejected' ELSE 'done' END",
        sent_at=ago("i"),
        created_at=ago("i"),
        exchange_order_id="'x' || i",
        **of_position,
    )
    insert(
        Fill,
        orders,
        order_id=key("i"),
        mode=of_position["mode"],
        trade_id="'t' || i",
        price="5000",
        count="100",
        fee="1700",
        source="'websocket'",
        created_at=ago("i"),
    )
    insert(
        LedgerTransaction,
        orders,
        position_id=f"i % {held} + 1",
        kind="'fill'",
        fill_id="i + 1",
        key="'k' || i",
        at=ago("i"),
        **of_position,
    )
    insert(
        LedgerEntry,
        orders * 2,
        transaction_id="i / 2 + 1",
        account=pick(["cash", "position_cost"], "i % 2"),
        amount="500000 - i % 2 * 1000000",
    )
    insert(
        PositionEvent,
        held * 3,
        position_id="i / 3 + 1",
        to_status=pick(["pending", "executing", "open"], "i % 3"),
        reason="'it went on'",
    )
    insert(Assessment, 100_000, position_id="i % 60 + 1", advice="'hold'", sell_now="990000", at=ago("100000 - i"))
