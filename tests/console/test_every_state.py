"""A position in every state that the model has: list, page, story, export, API, search, notification and ``bin/kalbot`` say one thing."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sample_positions
import sample_rows
import time_machine
from django.test import Client
from django.urls import reverse
from rich.console import Console

from kalbot import client as terminal
from kalbot.common import clock
from kalbot.common.units import format_decimal
from kalbot.console.api import tokens
from kalbot.console.notify import collect
from kalbot.console.notify.models import Cursor, Notification
from kalbot.console.ui import formats, waits
from markets.models import Certificate, Event, FamilyMember, Market
from markets.terms.grades import Grade
from strategies.models import Decision, Mode, Profile
from tests.trading import world
from trading import premises, selectors, waiting
from trading.accounting.booking import recount
from trading.closing import settlement
from trading.denials import DenialCode
from trading.execution import executor
from trading.models import (
    ACTIVE,
    OPEN_ORDERS,
    CloseType,
    ExitRequest,
    Leg,
    Order,
    OrderStatus,
    Position,
    PositionEvent,
    PositionStatus,
)

pytestmark = pytest.mark.alike

Login = Callable[..., Client]
S = PositionStatus
ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
PRICES = (3_000, 3_200, 3_100)


def bought(name: str, number: int, **columns: Any) -> Position:
    """A whole basket, bought by trading's own code on an event and for a profile of its own."""
    profile, event = world.add_profile(f"state {name}"[:48], **columns), world.add_event(f"KXT-{number}")
    world.publish(event.ticker, world.quoted(event, ASKS))
    limits = {f"{event.ticker}-{place}": price for place, price in enumerate(PRICES)}
    held = executor.execute(world.decide(profile, event, limits).pk)
    assert held is not None
    assert held.status == S.OPEN
    return held


def moved(held: Position, status: str, reason: str = "as the test has it", **columns: Any) -> Position:
    """The position in another status, with its event."""
    PositionEvent.objects.create(position=held, from_status=held.status, to_status=status, reason=reason)
    Position.objects.filter(pk=held.pk).update(status=status, **columns)
    held.refresh_from_db()
    return held


def without(held: Position, *places: int) -> Position:
    """The position as if these legs had not been bought."""
    nothing = dict.fromkeys(("bought_count", "bought_cost", "fees", "open_cost", "open_fees"), 0)
    held.legs.filter(sequence__in=places).update(**nothing)
    recount(held)
    held.refresh_from_db()
    return held


def ordered(held: Position, status: str, **columns: Any) -> Position:
    """The position with one more order in a status."""
    leg = held.legs.get(sequence=1)
    values = {"profile": held.profile, "mode": held.mode, "position": held, "leg": leg, "action": "buy", **columns}
    Order.objects.create(**values, purpose="entry", side="yes", price=leg.limit_price, count=1_000, status=status)
    return held


def waits_on(held: Position, status: str, code: DenialCode, words: str) -> Position:
    """The position in a status that waits for what ``code`` says, tried again in seven seconds."""
    text = f"{str(code).replace('_', ' ')}: {words}"
    soon = clock.now() + timedelta(seconds=7)
    return moved(held, status, f"waiting: {text}", residual=text, residual_code=code, next_step_at=soon)


def nothing(name: str, number: int) -> Position:
    return without(bought(name, number), 0, 1, 2)


def requested(held: Position, status: str = S.OPEN) -> Position:
    ExitRequest.objects.create(position=held, source="person", actor="ann", reason="want out")
    return held if status == S.OPEN else moved(held, status)


def sold(held: Position, count: int, *places: int) -> Position:
    for place in places:
        sample_positions.sell(held, place, count, 2_000)
    return held


def settled(held: Position, winner: int = 0, through: int = 3) -> Position:
    """Settled by trading's own code; ``through``: so many of its markets."""
    for place in range(through):
        won = place == winner
        Market.objects.filter(ticker=f"{held.event_id}-{place}").update(
            status="finalized", result="yes" if won else "no", settlement_value_e6=1_000_000 if won else 0
        )
    settlement.run()
    held.refresh_from_db()
    return held


def amended(held: Position) -> Position:
    """Settled, and then found to have been won by another outcome."""
    settled(held, 0)
    return settled(held, 1)


def demoted(held: Position) -> Position:
    """Its certificate was withdrawn while it was open."""
    ended = {"status": "void", "reason": "the rules changed", "ended_at": clock.now()}
    Certificate.objects.filter(event=held.event_id).update(**ended)
    return held


def in_family(held: Position, members: int = 1) -> Position:
    """As if it had been bought across a family that its event is a member of; without ``members`` it has lost it since."""
    series, closes = held.event.series, held.event.close_time
    family = Event.objects.create(ticker=f"FAMILY-{held.event_id}", series=series, is_family=True, close_time=closes)
    FamilyMember.objects.bulk_create(FamilyMember(family=family, event=held.event) for _ in range(members))
    Position.objects.filter(pk=held.pk).update(kind="family", event=family)
    return Position.objects.get(pk=held.pk)


def by_profile(held: Position, **columns: Any) -> Position:
    Profile.objects.filter(pk=held.profile_id).update(**columns)
    return held


def live(name: str, number: int) -> Position:
    """A live one that may send nothing before the account was compared."""
    profile, event = world.add_profile(f"state {name}", mode=Mode.LIVE), world.add_event(f"KXT-{number}")
    limits = {f"{event.ticker}-{place}": price for place, price in enumerate(PRICES)}
    decision = world.decide(profile, event, limits)
    values = {"decision": decision, "event": event, "kind": decision.kind, "profile": profile, "mode": Mode.LIVE}
    stated = premises.of(decision, decision.certificate and decision.certificate.states)
    held = Position.objects.create(**values, target_count=1_000, **stated)
    for place, (ticker, price) in enumerate(limits.items()):
        place_of = {"market_id": ticker, "side": "yes", "sequence": place}
        Leg.objects.create(position=held, **place_of, target_count=1_000, limit_price=price)
    return moved(held, S.EXECUTING)


def rested(held: Position, **columns: Any) -> Position:
    """A quote, by its columns."""
    until = clock.now_ms() + 3_600_000
    quote = {"way": "all_legs", "until_ms": until, "orphans": world.DOLLAR}
    Decision.objects.filter(pk=held.decision_id).update(quote=quote)
    held = Position.objects.get(pk=held.pk)
    return moved(held, S.QUOTING, quoting="all_legs", orphan_limit=5 * world.DOLLAR, **columns)


STATES: dict[str, Callable[[str, int], Position]] = {
    "pending": lambda *at: moved(nothing(*at), S.PENDING),
    "quoting": lambda *at: ordered(rested(nothing(*at)), OrderStatus.RESTING),
    "quoting, held in part and forbidden": lambda *at: waits_on(
        rested(without(bought(*at), 1)), S.QUOTING, DenialCode.HALTED, "reducing"
    ),
    "executing, order new": lambda *at: ordered(moved(nothing(*at), S.EXECUTING), OrderStatus.NEW),
    "executing, order sending": lambda *at: ordered(moved(nothing(*at), S.EXECUTING), OrderStatus.SENDING),
    "executing, order unknown": lambda *at: ordered(
        moved(without(bought(*at), 1, 2), S.EXECUTING), OrderStatus.UNKNOWN
    ),
    "executing, order booking": lambda *at: ordered(moved(nothing(*at), S.EXECUTING), OrderStatus.BOOKING),
    "executing, unread": lambda *at: moved(without(bought(*at), 1), S.EXECUTING),
    "executing, live and not compared": live,
    "executing, a worker at it": lambda *at: moved(
        nothing(*at), S.EXECUTING, lease_token="t", lease_until=clock.now() + timedelta(seconds=40)
    ),
    "completing, between two tries": lambda *at: moved(
        without(bought(*at), 2), S.COMPLETING, next_step_at=clock.now() + timedelta(seconds=1)
    ),
    "completing, order rests": lambda *at: ordered(moved(without(bought(*at), 2), S.COMPLETING), OrderStatus.RESTING),
    "completing, halted": lambda *at: waits_on(without(bought(*at), 2), S.COMPLETING, DenialCode.HALTED, "halted"),
    "open": bought,
    "open, of a profile switched off": lambda *at: by_profile(bought(*at), is_active=False),
    "open, certificate demoted": lambda *at: demoted(bought(*at)),
    "open, across a family": lambda *at: in_family(bought(*at)),
    "open, across a family that lost its members": lambda *at: in_family(bought(*at), 0),
    "open, if determined": lambda *at: moved(bought(*at), S.OPEN, grade=Grade.IF_DETERMINED),
    "open, exit requested": lambda *at: requested(bought(*at)),
    "open, sold in part": lambda *at: sold(bought(*at), 400, 0, 1, 2),
    "open, with a residual": lambda *at: waits_on(
        sold(bought(*at), 1_000, 0, 1), S.OPEN, DenialCode.NO_BID, "nobody bids"
    ),
    "open, one leg alone on request": lambda *at: waits_on(
        sold(bought(*at), 400, 0), S.OPEN, DenialCode.KEPT_ON_REQUEST, "KXT"
    ),
    "open, states unreadable": lambda *at: moved(bought(*at), S.OPEN, states=[], floor=0, guaranteed=False),
    "open, one market settled": lambda *at: settled(bought(*at), winner=1, through=1),
    "open, the winner settled": lambda *at: settled(bought(*at), winner=0, through=1),
    "unwinding": lambda *at: moved(without(bought(*at), 1, 2), S.UNWINDING),
    "unwinding, no bid": lambda *at: waits_on(without(bought(*at), 1, 2), S.UNWINDING, DenialCode.NO_BID, "no bid"),
    "exiting": lambda *at: requested(bought(*at), S.EXITING),
    "exiting, waits for prices": lambda *at: waits_on(requested(bought(*at)), S.EXITING, DenialCode.PRICE_STALE, "KXT"),
    "closed at a loss": lambda *at: moved(
        sold(bought(*at), 1_000, 0, 1, 2), S.CLOSED, close_type=CloseType.EXITED, ended_at=clock.now()
    ),
    "aborted, nothing bought": lambda *at: moved(
        nothing(*at), S.ABORTED, close_type=CloseType.NOT_BOUGHT, close_code=DenialCode.TOO_LATE, ended_at=clock.now()
    ),
    "aborted, unwound": lambda *at: moved(
        sold(without(bought(*at), 1, 2), 1_000, 0), S.ABORTED, close_type=CloseType.UNWOUND, ended_at=clock.now()
    ),
    "aborted, with holdings": lambda *at: moved(without(bought(*at), 1, 2), S.ABORTED, close_type=CloseType.UNWOUND),
    "settled": lambda *at: settled(bought(*at)),
    "settled, amended": lambda *at: amended(bought(*at)),
}
"""One builder a state. What the model can say of a position (its statuses, ends, grades and orders under way) is here, or the first test
fails."""


@pytest.fixture
def positions(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[dict[str, Position]]:
    """Every state, at a moment that stands still; notifications began before them."""
    settings.PAPER_LATENCY_MS = 0
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()
    with time_machine.travel(clock.now().replace(microsecond=0), tick=False) as now:
        collect.collect()
        now.shift(60)
        made = {name: build(name, 100 + number) for number, (name, build) in enumerate(STATES.items())}
        now.shift(5)
        for held in made.values():
            held.refresh_from_db()
        yield made


def every_state_of_the_model(positions: dict[str, Position]) -> None:
    """A new status, end, grade or state of orders has to be added above."""
    found = list(positions.values())
    assert {one.status for one in found} == set(PositionStatus.values)
    assert {one.close_type for one in found} == {"", *CloseType.values}
    assert {one.grade for one in found} == {grade.value for grade in (Grade.GUARANTEED, Grade.IF_DETERMINED)}
    held = {selectors.held_now(one).grade for one in found if one.cost}
    assert held == set(Grade)
    orders = Order.objects.filter(position__in=found, status__in=OPEN_ORDERS)
    assert set(orders.values_list("status", flat=True)) == set(OPEN_ORDERS) == set(waiting.OF_ORDERS)
    assert set(waiting.OF_STATUS) == set(ACTIVE)
    assert {one.mode for one in found} == set(Mode.values)


def truth(held: Position) -> dict[str, str]:
    """What is to be said of a position, from its legs and its status."""
    legs = list(Leg.objects.filter(position=held))
    now, waits_for = selectors.held_now(held), waiting.of(held)
    unknown = now.is_flat or bool(now.unknown)
    return {
        "status": held.status,
        "grade": "" if now.is_flat else now.grade.label,
        "floor": "" if unknown else format_decimal(now.floor, 6),
        "cost": format_decimal(sum(leg.open_cost for leg in legs), 6),
        "realised": format_decimal(held.realised, 6),
        "waits_for": "" if waits_for is None else waits_for.what,
        "waits_since": "" if waits_for is None else waits_for.since.isoformat(),
        "next_try": "" if waits_for is None or waits_for.next_try is None else waits_for.next_try.isoformat(),
    }


def shown(held: Position, usual: bool = True) -> list[str]:
    """The same as a person reads it."""
    said, waits_for = truth(held), waiting.of(held)
    words = waits.sentence(waits_for) if usual else waits.unusual(waits_for)
    found = [said["status"], said["grade"], words]
    if said["floor"]:
        found.append(formats.money(round(Decimal(said["floor"]) * 1_000_000)))
    if held.cost:
        found.append(formats.money(held.cost))
    return [one for one in found if one]


def text_of(page: str) -> str:
    """A page as it is read: no tags, single spaces, small letters."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split()).lower()


def differences(said: dict[str, dict[str, str]], positions: dict[str, Position]) -> list[str]:
    """Where a row's values are others than the truth."""
    return [
        f"{name}: {key} is {said[str(held.pk)][key]!r} and not {value!r}"
        for name, held in positions.items()
        for key, value in truth(held).items()
        if said[str(held.pk)][key] != value
    ]


def export_and_api(positions: dict[str, Position], client: Client) -> None:
    """They have what each position holds and waits for."""
    address = reverse("admin:trading_position_export")
    names = re.findall(r'name="(positionresource_\w+)"', client.get(address).content.decode())
    answer = client.post(address, {"format": "0", "resource": "0", **dict.fromkeys(names, "on")})
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.getvalue().decode()))}
    for row in rows.values():
        row.update(grade=row["held_grade"], floor=row["held_floor"])
    assert differences(rows, positions) == []
    found = api("/positions?state=all")
    assert differences({str(row["id"]): as_texts(row) for row in found}, positions) == []
    details = [api(f"/positions/{held.pk}") for held in positions.values()]
    assert differences({str(row["id"]): as_texts(row) for row in details}, positions) == []
    assert {row["id"]: row["naked"] for row in details} == {
        held.pk: bool(selectors.held_now(held).naked) for held in positions.values()
    }


def api(path: str) -> Any:
    """The answer of the API to a viewer."""
    person = sample_rows.User.objects.filter(username="reader").first() or sample_rows.person("reader", "viewer")
    _, secret = tokens.make(person, "script", "viewer", 1)
    answer = Client().get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.content
    return answer.json()


def as_texts(row: dict[str, Any]) -> dict[str, str]:
    """A row of the API with the export's way of writing."""

    def moment(value: str | None) -> str:
        return "" if value is None else value.replace("Z", "+00:00")

    amounts = {
        name: "" if row[name] is None else f"{Decimal(str(row[name])):.6f}" for name in ("floor", "cost", "realised")
    }
    return {**row, **amounts, "waits_since": moment(row["waits_since"]), "next_try": moment(row["next_try"])}


def rows(answer: Any, mark: str) -> dict[int, str]:
    """A page's table by the position that each row is about."""
    page = answer.content.decode()
    table = page[page.index(mark) :]
    found = {}
    for row in re.findall(r"<tr\b.*?</tr>", table[: table.index("</table>")], re.S):
        if link := re.search(r"/position/(\d+)/", row):
            found[int(link.group(1))] = row
    return found


def lists_pages_and_search(positions: dict[str, Position], pages: dict[int, str], client: Client) -> None:
    """They say it in the same words."""
    wrong = []
    listed = rows(client.get(reverse("admin:trading_position_changelist")), 'id="result_list"')
    opened = rows(client.get(reverse("admin:open_positions")), 'aria-label="Open positions"')
    for name, held in positions.items():
        where = {
            "page": pages[held.pk],
            "refreshed part": client.get(reverse("admin:position_progress", args=[held.pk])).content.decode(),
            "list": listed[held.pk],
            "search": client.get(reverse("admin:search"), {"s": f"#{held.pk}", "extended": "1"}).content.decode(),
        }
        begin = where["page"].index('id="part-progress"')
        where["page"] = where["page"][begin : where["page"].index("As it was decided", begin)]
        if held.status in ACTIVE:
            where["open positions"] = opened[held.pk]
        for place, page in where.items():
            text = text_of(page)
            expected = shown(held, usual=place in ("page", "refreshed part"))
            expected = [one for one in expected if place != "search" or "$" not in one]
            wrong += [
                f"{name}, {place}: {one!r} is not in {text[:900]!r}" for one in expected if one.lower() not in text
            ]
            grade, now = truth(held)["grade"], place not in ("page", "refreshed part")
            if now and not grade.startswith("guaranteed") and "guaranteed" in text:
                wrong.append(f"{name}, {place}: says guaranteed of what is not")
    assert wrong == []


def terminal_shows(positions: dict[str, Position]) -> None:
    """``bin/kalbot positions`` shows the status, the grade and what is waited for."""
    written = io.StringIO()
    rows = api("/positions?state=all")

    class Server:
        def get(self, path: str, **query: str) -> Any:
            return rows

    options = terminal.parser().parse_args(["positions", "--state", "all"])
    found = terminal.positions(Server(), options, Console(file=written, width=400))  # type: ignore[arg-type]
    assert found == rows
    lines = written.getvalue()
    for name, held in positions.items():
        begin = re.search(rf"^ ?{held.pk} ", lines, re.M)
        assert begin is not None, name
        row = lines[begin.start() :].split("\n\n")[0]
        row = " ".join("\n".join(row.splitlines()[:5]).split())
        for word in (one for one in (truth(held)["status"], truth(held)["grade"], truth(held)["waits_for"]) if one):
            assert word in row, (name, word, row)


def story_and_notifications(positions: dict[str, Position], pages: dict[int, str]) -> None:
    """The story ends in the status, and a notification names it."""
    assert Cursor.objects.exists()
    collect.collect()
    for name, held in positions.items():
        page = pages[held.pk]
        story = text_of(page[page.index('id="part-timeline"') :])
        last = PositionEvent.objects.filter(position=held).order_by("id").last()
        assert last is not None, name
        assert last.to_status == held.status, name
        assert f"→ {held.status}" in story, name
        about = Notification.objects.filter(path__endswith=f"/position/{held.pk}/change/").order_by("id")
        if held.residual:
            assert any(held.residual in one.body for one in about), name
        if held.status in (S.ABORTED, S.CLOSED, S.SETTLED, S.UNWINDING):
            titles = [one.title.lower() for one in about]
            assert any(title.startswith(held.status) for title in titles), (name, titles)
        if not held.cost:
            assert not any(one.title.startswith("Held") for one in about), name


@pytest.mark.timeout(900)
def test_everything_says_the_same_of_every_state(positions: dict[str, Position], login: Login) -> None:
    """One test, for the states take a while to be made."""
    client = login("viewer")
    every_state_of_the_model(positions)
    export_and_api(positions, client)
    addresses = {held.pk: reverse("admin:trading_position_change", args=[held.pk]) for held in positions.values()}
    pages = {pk: client.get(address).content.decode() for pk, address in addresses.items()}
    lists_pages_and_search(positions, pages, client)
    terminal_shows(positions)
    story_and_notifications(positions, pages)
