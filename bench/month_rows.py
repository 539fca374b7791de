"""The rows of busy days for ``bin/bench month``, written by the database itself. Number 0 is the newest."""

from __future__ import annotations

from typing import Final

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection

from bench import month_machinery_rows
from bench._rows import ago, insert, key, pick

DAY: Final = 86_400
OUTCOMES: Final = 8
OPEN_EVENTS: Final = 12_500
RULES: Final = 900
"""Characters of a market's rules."""
PER_DAY: Final = {
    "events": 2_500,
    "messages": 60_000,
    "cycles": 43_200,
    "scans": 1_440,
    "screenings": 4_320,
    "tasks": 20_000,
    "log": 2_000,
    "assessments": 20_000,
    "reconciliations": 576,
    "positions": 200,
    "near misses": 3_000,
}
"""Rows of a busy day: a scan a minute for three profiles, a cycle every two seconds, 20 open positions assessed every 90 seconds."""


def fill(scale: float, days: int) -> None:
    """The last ``days`` of a busy exchange at ``scale``, its open events included."""
    from strategies.models import Profile
    from trading.accounting import audit

    number = {name: max(1, int(rows * scale * days)) for name, rows in PER_DAY.items()}
    spread = {name: f"(i * {days * DAY}.0 / {rows})::int" for name, rows in number.items()}
    profiles = list(Profile.objects.filter(mode="sim").order_by("pk").values_list("pk", flat=True))
    _catalogue(max(1, int(OPEN_EVENTS * scale)), number["events"], spread["events"])
    month_machinery_rows.fill(number, spread)
    _judged(number, spread, max(1, int(OPEN_EVENTS * scale)), profiles)
    _traded(number, spread, profiles[0])
    audit.rebuild_totals(Profile.objects.get(pk=profiles[0]))
    models = apps.get_models()
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _catalogue(open_: int, ended: int, spread: str) -> None:
    """Events that are open, then those that have ended, newest first; two certificates for each third, as when rules changed once."""
    from markets.models import Certificate, Event, Market, Series

    text = f"repeat(md5(i::text), {RULES // 32})"
    over = f"i >= {open_}"
    since = spread.replace("i *", f"greatest(i - {open_}, 0) *")
    insert(Series, 1_000, ticker="'S' || i", title="'Series ' || i", category="'Sports'", fee_type="'quadratic'")
    insert(
        Event,
        open_ + ended,
        ticker="'E' || i",
        series_id="'S' || (i % 1000)",
        title="'Event number ' || i",
        category="'Sports'",
        market_count=f"{OUTCOMES}",
        mutually_exclusive="true",
        is_open=f"NOT ({over})",
        content_hash="md5(i::text)",
        rules_hash="md5(i::text)",
        close_time=f"CASE WHEN {over} THEN {ago(since)} ELSE {ago('-60 * i - 60')} END",
        updated_at=ago(since),
    )
    insert(
        Market,
        (open_ + ended) * OUTCOMES,
        ticker=f"'E' || (i / {OUTCOMES}) || '-M' || (i % {OUTCOMES})",
        event_id=f"'E' || (i / {OUTCOMES})",
        status=f"CASE WHEN i / {OUTCOMES} >= {open_} THEN 'finalized' ELSE 'active' END",
        settlement_value_e6=f"CASE WHEN i / {OUTCOMES} >= {open_} THEN 0 ELSE NULL END",
        yes_sub_title=f"'Outcome ' || (i % {OUTCOMES})",
        rules_primary=text,
        rules_secondary=text,
        content_hash="md5(i::text)",
        yes_bid="1200",
        yes_ask="1300",
    )
    third = (open_ + ended) // 3
    insert(
        Certificate,
        third * 2,
        event_id="'E' || (i / 2 * 3)",
        version="i % 2 + 1",
        status="CASE WHEN i % 2 = 0 THEN 'void' ELSE 'granted' END",
        kind="'tiling'",
        rules_hash="md5(i::text)",
        evidence=f"jsonb_build_array({text}, {text})",
        states=f"jsonb_build_object('outcomes', {text})",
    )


def _judged(number: dict[str, int], spread: dict[str, str], open_: int, profiles: list[int]) -> None:
    from strategies.models import Cycle, NearMiss, Screening, Verdict

    several = len(profiles)
    insert(
        Cycle,
        number["cycles"],
        started_at=ago(spread["cycles"]),
        duration_ms="i % 30",
        candidates="3",
        evaluated="3",
        decisions="CASE WHEN i % 200 = 0 THEN 1 ELSE 0 END",
        refused="jsonb_build_object('margin', 3)",
    )
    insert(
        Screening,
        min(number["screenings"], number["scans"] * several),
        scan_id=f"i / {several} + 1",
        profile_id=pick(profiles, f"i % {several}"),
        universe="12500",
        at=ago(spread["screenings"]),
        counts="jsonb_build_object('margin', 9000, 'volume', 3000)",
    )
    insert(
        Verdict,
        open_ * several,
        profile_id=pick(profiles, f"i / {open_}"),
        event_id=f"'E' || (i % {open_})",
        status="'rejected'",
        constraint="'margin'",
        distance_ppm="i % 50000",
        since=ago("i % 86400"),
    )
    insert(
        NearMiss,
        number["near misses"],
        profile_id=pick(profiles, f"i % {several}"),
        event_id=f"'E' || (i % {open_})",
        constraint="'margin'",
        distance_ppm="i % 50000",
        best_distance_ppm="i % 40000",
        started_at=ago(spread["near misses"]),
        last_seen_at=ago(spread["near misses"]),
        ended_at=ago(spread["near misses"]),
        ended_as="'rejected'",
        flip="'the legs together $0.0123 cheaper'",
    )


def _traded(number: dict[str, int], spread: dict[str, str], profile: int) -> None:
    """Positions of three legs with their orders, fills and bookings; 20 are open. None of it is ever deleted."""
    from strategies.models import Decision
    from trading.models import Fill, LedgerEntry, LedgerTransaction, Leg, Order, Position, PositionEvent
    from triage.models import Assessment

    held, at = number["positions"], ago(spread["positions"])
    own = {"profile_id": str(profile), "mode": "'sim'"}
    orders = held * 3
    insert(
        Decision,
        held,
        id=key("i"),
        event_id="'E' || i",
        kind="'all_yes'",
        count="100",
        legs="jsonb_build_array(repeat('x', 600))",
        cost="1000000",
        fees="0",
        max_cost="1000000",
        floor="1010000",
        conditional="1010000",
        expected="1010000",
        coverage_ppm="1000000",
        margin_ppm="10000",
        guaranteed="true",
        epoch="'e'",
        created_at=at,
        explanation="repeat('explained ', 40)",
        **own,
    )
    insert(
        Position,
        held,
        decision_id=key("i"),
        event_id="'E' || i",
        kind="'all_yes'",
        target_count="100",
        matched_count="100",
        status="CASE WHEN i < 20 THEN 'open' ELSE 'settled' END",
        cost="CASE WHEN i < 20 THEN 995100 ELSE 0 END",
        created_at=at,
        opened_at=at,
        ended_at=f"CASE WHEN i < 20 THEN NULL ELSE {at} END",
        **own,
    )
    insert(
        Leg,
        orders,
        position_id="i / 3 + 1",
        market_id="'E' || (i / 3) || '-M' || (i % 3)",
        side="'yes'",
        target_count="100",
        limit_price="3300",
        bought_count="100",
        bought_cost="331700",
        open_cost="CASE WHEN i / 3 < 20 THEN 331700 ELSE 0 END",
        settled_count="CASE WHEN i / 3 < 20 THEN 0 ELSE 100 END",
    )
    insert(
        Order,
        orders,
        id=key("i"),
        position_id="i / 3 + 1",
        leg_id="i + 1",
        action="'buy'",
        purpose="'entry'",
        side="'yes'",
        price="3300",
        count="100",
        filled_count="100",
        status="'done'",
        exchange_order_id="'x' || i",
        created_at=ago(f"(i * 1.0 * {DAY} / 600)::int"),
        **own,
    )
    insert(
        Fill,
        orders,
        order_id=key("i"),
        mode="'sim'",
        trade_id="'t' || i",
        price="3300",
        count="100",
        fee="1700",
        source="'paper'",
    )
    insert(
        LedgerTransaction,
        orders,
        position_id="i / 3 + 1",
        kind="'fill'",
        key="'k' || i",
        fill_id="i + 1",
        **own,
    )
    insert(
        LedgerEntry,
        orders * 3,
        transaction_id="i / 3 + 1",
        account=pick(["cash", "position_cost", "fees"], "i % 3"),
        amount=f"CASE WHEN i / 9 < 20 THEN {pick([-331_700, 330_000, 1_700], 'i % 3')} ELSE 0 END",
    )
    insert(PositionEvent, held * 4, position_id="i / 4 + 1", to_status="'open'", reason="'it went on'")
    insert(
        Assessment,
        number["assessments"],
        position_id=f"i % {min(20, held)} + 1",
        advice="CASE WHEN i % 300 = 0 THEN 'watch' ELSE 'hold' END",
        sell_now="990000",
        sale_legs="jsonb_build_array(repeat('x', 300))",
        at=ago(spread["assessments"]),
    )
