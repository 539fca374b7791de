"""The pages of families: what is listed, the atoms row by row, the nearest basket as a plot, and what is missing elsewhere."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client

from kalbot.console.admin.decisions import names_of
from kalbot.console.ui import value_plot
from markets.book import Side
from markets.models import Certificate, Event, Market
from markets.terms.atoms import Atoms, Fallback
from markets.terms.reading.strikes import less
from markets.terms.states import Holding, State, StateList, payoffs
from strategies.models import Decision, Verdict
from strategies.screening import screening
from tests.console import sample_rows
from tests.markets.terms.test_families import thresholds
from tests.strategies import world
from tests.strategies.families import coins
from tests.trading import families as traded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]


@pytest.fixture
def viewer(client: Client, settings: Any) -> Client:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    client.force_login(sample_rows.person("ann", "viewer"))
    return client


def test_the_list_says_what_is_a_family_what_profiles_think_and_what_is_missing(viewer: Client) -> None:
    event = sample_rows.family()
    world.add_profile()
    world.add_scan()
    screening.screen()
    shown = viewer.get("/admin/families/").content.decode()
    assert event.sub_title in shown
    assert "the profile buys no kind of basket that fits" in shown
    assert "KXINX + KXINXU" in shown
    assert "no clause" in shown
    assert "families --why EVENT EVENT" in shown


def test_a_page_shows_each_atom_and_the_proof_that_there_is_no_basket(viewer: Client) -> None:
    event = sample_rows.family()
    shown = viewer.get(f"/admin/families/{event.pk}/").content.decode()
    assert "54199.99 &lt; x &lt; 54200" in shown
    assert "a proof that there is no basket" in shown
    assert "One average at one instant." in shown
    assert "If one leg rested" in shown
    assert "One leg rests only for a profile that quotes" in shown
    why = viewer.get(f"/admin/why/{event.pk}/")
    assert why.status_code == 200


def test_who_may_win_whatever_the_value_is_a_row_of_its_own(viewer: Client) -> None:
    event = sample_rows.family()
    certificate = Certificate.objects.get(event=event, status="granted")
    atoms = Atoms.from_json(certificate.states["atoms"])
    ranges = frozenset(ticker for ticker in atoms.spans if ticker.startswith("KXBTC-1"))
    changed = StateList.of_atoms(replace(atoms, fallback=Fallback(min(ranges), ranges)))
    Certificate.objects.filter(pk=certificate.pk).update(states=changed.to_json())
    shown = viewer.get(f"/admin/families/{event.pk}/").content.decode()
    assert f"{min(ranges)} wins whatever the value; x &lt;= 54199.99" in shown
    assert f"{min(ranges)} wins whatever the value; all others No" not in shown, "the same as below all thresholds"


def test_prices_that_do_not_agree_show_their_basket_as_a_plot(viewer: Client) -> None:
    event = sample_rows.family()
    coins.quote("KXBTC-1", coins.RANGES)
    coins.quote("KXBTCD-1", coins.CHEAP)
    shown = viewer.get(f"/admin/families/{event.pk}/").content.decode()
    assert "A basket at the best prices" in shown
    assert "<polyline" in shown
    assert "beside it at least $1.00: every market resolves No" in shown
    assert thresholds().markets[1].yes_sub_title in shown


def test_a_decision_names_the_markets_of_all_members(viewer: Client) -> None:
    decision = Decision(event=sample_rows.family())
    names = dict(Market.objects.values_list("pk", "yes_sub_title"))
    assert names_of(decision) == names
    assert len(names) == 7


def test_an_event_that_is_no_family_has_no_such_page(viewer: Client) -> None:
    sample_rows.family()
    assert viewer.get("/admin/families/KXBTC-1/").status_code == 404
    assert viewer.get("/admin/families/NOBODY/").status_code == 404
    Event.objects.filter(is_family=True).update(is_open=False)
    assert viewer.get(f"/admin/families/{coins.FAMILY}/").status_code == 200
    assert Verdict.objects.count() == 0


def amounts(atoms: Atoms, *holdings: Holding) -> list[tuple[State, int]]:
    return [(state, int(pays)) for state, pays in payoffs(holdings, StateList.of_atoms(atoms))]


def heights(line: str) -> list[float]:
    return [float(point.split(",")[1]) for point in line.split()]


THREE: list[Holding] = [("low", Side.YES, 100), ("middle", Side.YES, 100), ("second", Side.YES, 100)]


def test_a_plot_has_a_step_for_each_atom_and_the_cost() -> None:
    atoms = Atoms.of(traded_spans())
    plot = value_plot.of(atoms, amounts(atoms, *THREE), 1_500_000)
    assert plot is not None
    points = [tuple(map(float, point.split(","))) for point in " ".join(plot.lines).split()]
    assert len(points) == 2 * len(atoms)
    assert min(y for _, y in points) < (plot.cost or 0) < max(y for _, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert plot.words == "payoff over the value: least $1.00 where x < 100, most $2.00 where 109.99 < x < 110"
    assert value_plot.of(atoms, [], 1) is None
    other = Atoms.of({"low": less(Decimal(7))})
    assert value_plot.of(other, amounts(atoms, *THREE)) is None, "amounts of another line"


def test_a_plot_leaves_out_values_that_are_ruled_out_and_stands_without_any() -> None:
    atoms = Atoms.of(traded_spans(), nobody=True)
    states = amounts(atoms, *THREE)
    plot = value_plot.of(atoms, [states[0], *states[2:]], received=1_000_000)
    assert plot is not None
    (begin, width), first = plot.ruled_out[0], plot.lines[0].split()[-1]
    assert len(plot.lines) == 2
    assert float(first.split(",")[0]) == begin
    assert float(plot.lines[1].split(",")[0]) == pytest.approx(begin + width)
    assert "; 1 of 4 runs of values are ruled out by what has settled; legs" in plot.words
    alone = value_plot.of(atoms, states[4:])
    assert alone is not None
    assert alone.lines == ()
    assert alone.words.startswith("payoff over the value: no value is possible any more; beside it at least $0.00")


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ({"nobody": True}, "beside it at least $0.00: every market resolves No"),
        (
            {"fallback": Fallback("second", frozenset({"second"}))},
            "beside it at least $1.00: second wins whatever the value; 110 <= x",
        ),
    ],
    ids=["no value", "named winner"],
)
def test_a_plot_shows_what_is_paid_where_no_value_decides(beside: dict[str, Any], words: str) -> None:
    """Without it the least of the values would be read as the least of all."""
    atoms = Atoms.of(traded_spans(), **beside)
    plot = value_plot.of(atoms, amounts(atoms, *THREE), 500_000)
    assert plot is not None
    assert words in plot.words
    step = [tuple(map(float, point.split(","))) for point in plot.beside.split()]
    assert len(step) == 2
    assert min(x for x, _ in step) > max(float(point.split(",")[0]) for point in " ".join(plot.lines).split()) + 10
    assert max(heights(plot.beside)) >= max(heights(" ".join(plot.lines))), "no higher than the least of the values"


def test_a_plot_of_days_has_a_calendar_for_its_axis_and_no_mark_on_another() -> None:
    days = {f"D{day}": less(Decimal(day)) for day in (20261201, 20270101, 20270102, 20270201)}
    atoms = Atoms.of(days, dated=True)
    plot = value_plot.of(atoms, amounts(atoms, ("D20261201", Side.NO, 100), ("D20270201", Side.YES, 100)))
    assert plot is not None
    assert [mark for _, _, mark in plot.marks] == ["Dec 1, 2026", "Jan 1, 2027", "Feb 1, 2027"]
    (first, _, _), (second, _, _), (third, _, _) = plot.marks
    assert abs((second - first) - (third - second)) < 1, "a month each"


@pytest.mark.parametrize(
    "strikes", [["-400", "-0.5", "0"], ["1e15", "2e15"], [str(n) for n in range(400)], ["7"]], ids=len
)
def test_marks_of_any_strikes_stay_inside_and_apart(strikes: list[str]) -> None:
    atoms = Atoms.of({f"M{n}": less(Decimal(strike)) for n, strike in enumerate(strikes)}, nobody=True)
    plot = value_plot.of(atoms, amounts(atoms, ("M0", Side.NO, 12_345_600), (f"M{len(strikes) - 1}", Side.YES, 100)), 1)
    assert plot is not None
    assert plot.marks
    ends = [
        (middle - half, middle + half) for _, middle, text in plot.marks if (half := value_plot.LETTER * len(text) / 2)
    ]
    assert ends[0][0] >= 0
    assert ends[-1][1] <= plot.width
    assert all(end < begin for (_, end), (begin, _) in pairwise(ends))
    assert all(len(text) * value_plot.LETTER < plot.left for _, text in plot.levels)
    assert all(float(number) == float(number) for point in " ".join(plot.lines).split() for number in point.split(","))


@pytest.mark.parametrize("states", [{"atoms": None}, {"format": 1, "atoms": {"cuts": []}}, {"format": 2}], ids=str)
def test_a_certificate_that_cannot_be_read_still_has_its_page(viewer: Client, states: Any) -> None:
    event = sample_rows.family()
    Certificate.objects.filter(event=event).update(states=states)
    shown = viewer.get(f"/admin/families/{event.pk}/")
    assert shown.status_code == 200
    assert "No certificate says how its markets settle together." in shown.content.decode()


def test_what_terms_add_to_the_values_is_listed_with_the_atoms(viewer: Client) -> None:
    event = sample_rows.family()
    page = f"/admin/families/{event.pk}/"
    shown = viewer.get(page).content.decode()
    assert "every market resolves No" in shown
    assert "Any market may also resolve No by itself" not in shown
    certificate = Certificate.objects.get(event=event, status="granted")
    atoms = Atoms.from_json(certificate.states["atoms"])
    changed = StateList.of_atoms(replace(atoms, any_no=True))
    Certificate.objects.filter(pk=certificate.pk).update(states=changed.to_json())
    assert "Any market may also resolve No by itself" in viewer.get(page).content.decode()


def traded_spans() -> dict[str, Any]:
    class Named:
        def __init__(self, *markets: str) -> None:
            self.markets = markets

    spans = traded.spans(Named("low", "middle", "high"), Named("first", "second"))  # type: ignore[arg-type]  # markets alone
    return {ticker: spans[ticker] for ticker in ("low", "middle", "second")}
