"""Every number has one value, wherever it is read: pages, lists, exports, metrics, API and summaries against the ledger's rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
import sample_rows
from django.db.models import Count, Sum
from django.test import Client
from django.urls import reverse
from test_metrics import scraped

from kalbot.common import clock
from kalbot.common.units import parse_decimal
from kalbot.console.api import tokens
from kalbot.console.notify import summaries
from kalbot.console.ui import formats
from markets.models import Event
from strategies.models import Profile, Verdict
from tests.trading import world
from trading.accounting import booking, ledger
from trading.accounting.fill_reports import FillReport
from trading.closing import marks
from trading.execution import executor
from trading.models import ACTIVE, Account, Fill, LedgerEntry, Leg, Order, Position

pytestmark = pytest.mark.alike

Login = Callable[..., Client]
NAME = "counted"


class Cells(HTMLParser):
    """The text of each row of each table, and of each pair of a definition list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("tr", "dl"):
            self.rows.append([])
        if tag in ("td", "th", "dt", "dd") and self.rows:
            self.rows[-1].append("")
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._is_in_cell = self._is_in_cell and tag not in ("td", "th", "dt", "dd")

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def micro(text: str) -> int:
    """``"+$1,234.56"`` as micro-dollars."""
    found = re.match(r"([+-]?)\$?([\d,]+\.?\d*)", text)
    assert found is not None, text
    return parse_decimal(f"{'-' if found[1] == '-' else ''}{found[2].replace(',', '')}", 6)


@pytest.fixture
def profile(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Any) -> Profile:
    """A profile with a basket of which a part of one leg was sold, made by trading's own code, and one of which nothing was bought."""
    settings.PAPER_LATENCY_MS = 0
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()
    made, event = world.add_profile(NAME), world.add_event()
    world.publish(event.ticker, world.quoted(event, [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]))
    limits = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
    decision = world.decide(made, event, limits, 1_000, kind="all_yes", side="yes", conditional=30_000_000)
    held = executor.execute(decision.pk)
    assert held is not None
    leg = held.legs.get(market_id="KXT-1-0")
    values = {"profile": made, "mode": "sim", "position": held, "leg": leg, "action": "sell", "purpose": "exit"}
    order = Order.objects.create(**values, side="yes", price=2_900, count=333, status="booking")
    booking.book_fill(order.pk, FillReport("sale-1", 2_900, 333, 1_234, True, clock.now_ms()), "paper")
    Order.objects.filter(pk=order.pk).update(status="done")
    nothing = sample_rows.decision(made, sample["events"][4])
    Position.objects.create(
        **{"profile": made, "mode": "sim", "decision": nothing, "event": nothing.event, "kind": nothing.kind},
        **{"target_count": 100, "status": "aborted", "close_type": "aborted", "ended_at": clock.now()},
    )
    gone = sample["events"][5]
    Event.objects.filter(pk=gone.pk).update(is_open=False)
    Verdict.objects.filter(event=gone).delete()
    sample_rows.verdict(made, gone, "candidate", "", live_at=clock.now())
    sample_rows.verdict(made, sample["events"][4], "candidate", "", live_at=clock.now())
    return made


@pytest.fixture
def truth(profile: Profile) -> dict[str, int]:
    """The numbers of the profile from its bare rows."""
    entries = LedgerEntry.objects.filter(transaction__profile=profile)
    booked: Counter[str] = Counter(dict(entries.values_list("account").annotate(Sum("amount")).order_by()))
    rows = Position.objects.filter(profile=profile, status__in=ACTIVE).select_related("profile", "event__series")
    worth = marks.of(list(rows))
    cost = Leg.objects.filter(position__in=rows).aggregate(total=Sum("open_cost"))["total"]
    found = {
        "realised": -booked[Account.REALISED],
        "fees": Fill.objects.filter(order__profile=profile).aggregate(total=Sum("fee"))["total"],
        "cost": cost,
        "cash": booked[Account.CASH],
        "unrealised": sum(one.proceeds or 0 for one in worth.values()) - cost,
        "open": len(rows),
        "ended": 0,
    }
    assert all(found[name] for name in ("realised", "unrealised", "fees", "cost", "open"))
    return found


def row_of(page: str, first: str = NAME) -> list[str]:
    """The first row of a page whose first or second cell begins with a name."""
    return next(row for row in Cells(page).rows if any(cell.startswith(first) for cell in row[:2]))


def seen(names: list[str], cells: list[str]) -> dict[str, int]:
    """Amounts and numbers of named cells; an empty name leaves one out."""
    shown = zip(names, cells, strict=False)
    return {one: micro(cell) if "$" in cell or "." in cell else int(cell) for one, cell in shown if one}


def agree(found: dict[str, int], truth: dict[str, int], where: str) -> None:
    assert found, where
    assert found == {name: truth[name] for name in found}, where


def test_pages_exports_metrics_and_api_have_the_ledgers_numbers(
    profile: Profile, truth: dict[str, int], login: Login
) -> None:
    client = login("viewer")
    page = {name: client.get(reverse(f"admin:{name}"), query).content.decode() for name, query in QUERIES.items()}
    agree(seen(["", "realised", "unrealised", "fees", "ended"], row_of(page["results"])), truth, "results")
    row = row_of(page["open_positions"])
    agree(seen(["", "", "open", "cost", "", "unrealised"], row), truth, "open positions")
    compared = {row[0]: row[1] for row in Cells(page["profile_compare"]).rows if len(row) > 1}
    names = {"Realised": "realised", "Unrealised": "unrealised", "Fees paid": "fees", "Baskets that ended": "ended"}
    agree(seen(list(names.values()), [compared[one] for one in names]), truth, "compare")
    served = scraped()
    gauges = {"realised": "kalbot_realised_dollars", "unrealised": "kalbot_unrealised_dollars"}
    gauges["cost"] = "kalbot_open_cost_dollars"
    own = {name: next(v for labels, v in served[one] if labels["profile"] == NAME) for name, one in gauges.items()}
    agree({name: round(value * 1e6) for name, value in own.items()}, truth, "metrics")
    lines = client.get(reverse("admin:results"), {"period": "all", "format": "csv"}).content.decode()
    line = next(one for one in csv.DictReader(io.StringIO(lines)) if one["profile"] == NAME)
    found = {name: parse_decimal(line[name], 6) for name in ("realised", "unrealised", "fees")}
    agree({**found, "ended": int(line["baskets"])}, truth, "CSV")
    _, secret = tokens.make(sample_rows.person("reader", "viewer"), "script", "viewer", 1)

    def api(path: str) -> dict[str, Any]:
        answer = Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {secret}"}).json()
        return next(one for one in answer if NAME in (one.get("profile"), one.get("name")))

    def of(row: dict[str, Any], **names: str) -> dict[str, int]:
        return {ours: parse_decimal(str(row[theirs]), 6) for ours, theirs in names.items()}

    agree(
        of(api("results?period=all"), realised="realised", unrealised="unrealised", fees="fees"), truth, "API results"
    )
    found = of(api("pnl?mode=sim"), realised="realised", fees="fees", cost="open_cost")
    agree({**found, "ended": api("pnl?mode=sim")["ended"]}, truth, "API pnl")
    agree(
        {**of(api("profiles"), realised="realised", cost="cost"), "open": api("profiles")["open_positions"]},
        truth,
        "API",
    )
    agree(of(api("positions"), realised="realised", cost="cost", fees="fees"), truth, "API position")
    traded = client.get(
        reverse("admin:exports_download"), {"kind": "fills", "mode": "sim", "year": f"{clock.now():%Y}"}
    )
    lots = [one for one in csv.DictReader(io.StringIO(traded.getvalue().decode())) if one["profile"] == NAME]
    sums = {name: sum(parse_decimal(one[there] or "0", 6) for one in lots) for name, there in EXPORTED.items()}
    agree(sums, truth, "export of fills")
    balance = row_of(client.get(reverse("admin:trading_profilebalance_changelist")).content.decode())
    at = balance.index(NAME)
    cells = [balance[at + 2], balance[at + 5], balance[at + 6]]
    agree(seen(["cash", "fees", "realised"], cells), truth, "balances")


QUERIES: dict[str, dict[str, Any]] = {
    "results": {"period": "all", "profile": NAME},
    "open_positions": {"profile": NAME},
    "profile_compare": {"name": NAME, "period": "all"},
}
EXPORTED = {"realised": "realised", "fees": "fee"}


def test_the_landing_page_the_summary_and_why_not_count_as_the_rows_do(profile: Profile, login: Login) -> None:
    for one in Profile.objects.all():
        ledger.ensure_funded(one)
    client = login("viewer")
    page = client.get(reverse("admin:index")).content.decode()
    stats = [row for row in Cells(page).rows if row and row[0] == "Realised today"]
    shown = {cells[at]: cells[at + 1] for cells in stats[1:2] for at in range(0, len(cells), 2)}
    paper = LedgerEntry.objects.filter(transaction__mode="sim")
    booked = dict(paper.values_list("account").annotate(Sum("amount")).order_by())
    assert micro(shown["Realised in all"]) == -booked[Account.REALISED]
    assert micro(shown["Cash"]) == booked[Account.CASH]
    assert micro(shown["At work"]) == sum(booked[one] for one in (Account.POSITION_COST, Account.FEES))
    tile = re.search(r"(\d+) ended since midnight", page[page.index("Earned today, sim") :])
    assert tile is not None
    ended = Leg.objects.filter(position__mode="sim", position__ended_at__isnull=False, bought_count__gt=0)
    since = clock.now() - timedelta(days=1)
    assert int(tile[1]) <= ended.filter(position__ended_at__gte=since).values("position").distinct().count()
    text = summaries.summary("Whole", clock.now() - timedelta(days=400), clock.now() + timedelta(days=1), "k").body
    numbers = {"ended": ended.values("position").distinct().count()}
    assert f"Sim: {numbers['ended']} ended" in text
    assert f"realised {formats.gain(-booked[Account.REALISED])}" in text
    fees = Fill.objects.filter(mode="sim").aggregate(total=Sum("fee"))["total"]
    assert f"fees {formats.money(fees)};" in text


def test_candidates_are_those_of_open_events_everywhere(profile: Profile, login: Login) -> None:
    wanted = Verdict.objects.filter(profile=profile, status="candidate", event__is_open=True).aggregate(n=Count("pk"))[
        "n"
    ]
    assert wanted == 1
    client = login("viewer")
    why = client.get(reverse("admin:why"), {"profile": NAME})
    listed = client.get(
        reverse("admin:strategies_verdict_changelist"),
        {"profile__id__exact": str(profile.pk), "status__exact": "candidate", "event__is_open__exact": "1"},
    )
    assert listed.context["cl"].result_count == wanted
    served = {
        labels["profile"]: value for labels, value in scraped()["kalbot_verdicts"] if labels["what"] == "candidate"
    }
    assert served[NAME] == wanted
    assert why.context["candidates"] == wanted
    landing = client.get(reverse("admin:index")).context["candidates"]
    assert {one["profile__name"]: one["n"] for one in landing}[NAME] == wanted
