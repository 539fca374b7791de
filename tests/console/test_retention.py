"""Nothing grows without an end, and nothing that is needed goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from django.contrib.sessions.models import Session

from kalbot.common import cache, clock
from kalbot.console import tasks
from kalbot.console.ops import price_keys
from markets.models import Event, Market
from markets.prices import EVENT_KEY, QUOTE_KEY, Quote
from strategies.models import Mode
from trading.models import Discrepancy, Reconciliation


def publish(keys: list[str], receive_ms: int) -> None:
    quote = msgspec.msgpack.encode(Quote("e", 1, 2, 1, 1, None, 0, receive_ms))
    for key in keys:
        cache.prices().set(key, quote)


def test_prices_of_settled_markets_are_forgotten(sample: dict[str, Any]) -> None:
    for pattern in (f"{EVENT_KEY}*", f"{QUOTE_KEY}*"):
        for key in cache.prices().scan_iter(pattern):
            cache.prices().delete(key)
    event = Event.objects.filter(is_open=True).first()
    assert event is not None
    open_, over = Market.objects.filter(event=event)[:2]
    Market.objects.filter(pk=over.pk).update(status="finalized")
    over_event = Event.objects.exclude(pk=event.pk).first()
    assert over_event is not None
    Event.objects.filter(pk=over_event.pk).update(is_open=False)
    names = [QUOTE_KEY + open_.pk, QUOTE_KEY + over.pk, QUOTE_KEY + "KXOLD-1", EVENT_KEY + event.pk]
    publish([*names, EVENT_KEY + over_event.pk, "another:px:q:KXOLD-1"], clock.now_ms() - 2 * price_keys.UNKNOWN_MS)
    assert price_keys.forget_settled() == 3
    left = {key.decode() for key in cache.prices().scan_iter("*px:[qe]:*")}
    assert left == {QUOTE_KEY + open_.pk, EVENT_KEY + event.pk, "another:px:q:KXOLD-1"}


def test_old_comparisons_and_sessions_go_but_the_last_good_one_and_those_with_differences_stay(
    sample: dict[str, Any],
) -> None:
    Discrepancy.objects.all().delete()
    Reconciliation.objects.all().delete()
    old = clock.now() - timedelta(days=40)
    rows = [
        Reconciliation.objects.create(started_at=old + timedelta(minutes=n), mode=Mode.LIVE, trigger="t")
        for n in range(4)
    ]
    Discrepancy.objects.create(code=Discrepancy.Code.CASH, key="k", mode=Mode.LIVE, reconciliation=rows[0])
    Session.objects.create(session_key="gone", session_data="", expire_date=old)
    Session.objects.create(session_key="here", session_data="", expire_date=clock.now() + timedelta(days=1))
    tasks.prune()
    assert set(Reconciliation.objects.values_list("pk", flat=True)) == {rows[0].pk, rows[3].pk}
    assert list(Session.objects.filter(session_key__in=["gone", "here"]).values_list("pk", flat=True)) == ["here"]
