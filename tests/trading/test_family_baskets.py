"""A basket across two events: bought, limited, unwound, sold, settled in any order, found again; on paper and live on the twin."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

import pytest

from kalbot.common import clock
from markets import watchlist
from markets.book import Side
from markets.models import Certificate, Event, FeeChange, Market, Series
from markets.terms.states import StateKind, StateList
from strategies.collateral.groups import Alone, Choices, Exclusive, Group, Ladder, returned
from strategies.models import Profile
from tests.trading import families, world
from tests.trading.families import FAMILY
from tests.trading.twin import Twin
from trading import selectors
from trading.accounting import balance_check, collateral
from trading.closing import exits, marks, settlement
from trading.denials import DenialCode, Denied
from trading.execution import executor
from trading.models import Denial, Discrepancy, ExchangeAccount, LiveEventClaim, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection
from triage.assessment import gather, valuation

pytestmark = pytest.mark.alike

Pair = tuple[Twin, Twin]


@pytest.fixture
def pair(settings: object) -> Pair:
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]
    found = families.pair()
    connection.use(found[0].client())
    live_readiness.require_reconciliation()
    return found


def profile(mode: str = "live", name: str = "families", **columns: object) -> Profile:
    return world.add_profile(name, mode=mode, kinds=["family", "coverage"], **columns)


def bought(pair: Pair, **columns: object) -> Position:
    position = executor.execute(families.decide(profile(**columns), *pair).pk)  # type: ignore[arg-type]  # columns by name
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def denied(decision_of: Profile, pair: Pair) -> str:
    assert executor.execute(families.decide(decision_of, *pair).pk) is None
    return Denial.objects.get(decision__profile=decision_of).code


def agree(owner: Profile) -> None:
    row = reconcile.run("live", "test")
    assert row.error == ""
    assert list(Discrepancy.objects.values_list("code", "key", "ours", "theirs")) == []
    assert (row.balance_difference, selectors.exchange_difference(), balance_check.summary(owner)["difference"]) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_legs_of_both_events_are_bought_and_the_atoms_are_kept(pair: Pair, mode: str) -> None:
    position = bought(pair, mode=mode)
    assert (position.status, position.kind, position.event_id) == ("open", "family", FAMILY)
    assert {leg.market.event_id for leg in position.legs.all()} == {"KXT-1", "KXT-2"}
    assert (position.floor, position.grade, position.guaranteed) == (10 * world.DOLLAR, "guaranteed", True)
    states = StateList.from_json(position.states[0])
    assert states.kinds() == {StateKind.VALUE}
    assert [state.quote for state in states.states] == [
        "x < 100",
        "100 <= x <= 109.99",
        "109.99 < x < 110",
        "110 <= x",
    ], "cut by its own legs alone, readable row by row"
    assert [len(state.among) for state in states.states] == [1, 1, 2, 1]
    assert set(watchlist.wanted(100)) == {"KXT-1", "KXT-2"}
    if mode == "live":
        assert set(LiveEventClaim.objects.values_list("event_id", flat=True)) == {"KXT-1", "KXT-2"}
        agree(position.profile)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_markets_settle_in_any_order(pair: Pair, order: tuple[int, ...]) -> None:
    position = bought(pair)
    results = ["no", "yes", "yes"]  # 109.995: two of the three pay
    legs = list(position.legs.order_by("sequence"))
    legs.sort(key=lambda leg: leg.market_id)
    for number in order:
        ticker = legs[number].market_id
        next(twin for twin in pair if ticker in twin.markets).settle(ticker, results[number])
        settlement.run()
        position.refresh_from_db()
        assert position.floor + position.payout >= 10 * world.DOLLAR
        agree(position.profile)
    assert (position.status, position.payout) == ("settled", 20 * world.DOLLAR)
    assert not LiveEventClaim.objects.exists()


def test_results_that_no_atom_allows_are_said_to_be_impossible(pair: Pair) -> None:
    position = bought(pair)
    for leg in position.legs.order_by("market_id")[:2]:
        pair[0].settle(leg.market_id, "yes")  # below 100 and from 100 on
    settlement.run()
    position.refresh_from_db()
    assert "no listed state allows" in selectors.held_of(position, list(position.legs.all())).unknown
    assert (position.floor, position.guaranteed) == (0, False)


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_it_is_sold_whole_before_it_settles(pair: Pair, mode: str) -> None:
    position = bought(pair, mode=mode)
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    position = executor.step(position.pk)
    assert position.status == "closed"
    if mode == "live":
        assert pair[0].held() == {}
        agree(position.profile)


def test_a_leg_that_vanishes_leaves_nothing_behind(pair: Pair) -> None:
    owner = profile(complete_seconds=0)
    decision = families.decide(owner, *pair)
    ranges, thresholds = pair
    ranges.cancel_makers(ranges.markets[1], "ask")  # gone on the exchange, still in the stream's book
    position = executor.execute(decision.pk)
    assert position is not None
    for _ in range(6):
        if position.status in ("aborted", "open"):
            break
        families.sync(ranges, thresholds)
        position = executor.step(position.pk)
    assert position.status == "aborted", position.residual
    assert ranges.held() == {}
    agree(owner)


@pytest.mark.parametrize("first", ["family", "member"])
def test_an_event_is_held_once_alone_or_in_a_family(pair: Pair, first: str) -> None:
    for mode in ("sim", "live"):
        one, other = profile(mode, f"{mode}-one"), profile(mode, f"{mode}-other")
        alone = {"sim": one, "live": other}[mode]
        prices = dict.fromkeys(pair[0].markets, 4_300)
        plain = world.decide(alone, pair[0].row, prices, kind="coverage", conditional=100 * world.DOLLAR)
        across = families.decide(one, *pair)
        begun, refused = (across, plain) if first == "family" else (plain, across)
        assert executor.execute(begun.pk) is not None, Denial.objects.values_list("code", "detail")
        assert executor.execute(refused.pk) is None
        assert refused.denial.code == "event_taken"


def test_the_most_at_risk_in_an_event_counts_what_a_family_has_there(pair: Pair) -> None:
    owner = profile("sim", max_per_event=9 * world.DOLLAR)
    bought_first = families.decide(owner, *pair)
    assert executor.execute(bought_first.pk) is not None
    Position.objects.update(status="settled", realised=-4 * world.DOLLAR)
    assert denied_again(owner, pair) == "max_per_event"


def denied_again(owner: Profile, pair: Pair) -> str:
    plain = world.decide(owner, pair[1].row, {pair[1].markets[1]: 6_000}, kind="coverage", coverage_ppm=1_000_000)
    assert executor.execute(plain.pk) is None
    return str(plain.denial.code)


def announced(event: str, multiplier_e6: int | None, series: str = "KXT") -> None:
    """A fee change of one event (of all of the series: "") that has come due, and that no row says yet."""
    FeeChange.objects.create(
        change_id="1",
        series_id=series,
        event_ticker=event,
        fee_type="quadratic",
        fee_multiplier_e6=multiplier_e6,
        scheduled_at=clock.now(),
    )


def of_another_series(pair: Pair) -> None:
    """The thresholds are listed in a series of their own."""
    Series.objects.create(ticker="KXU", category="Sports", fee_type="quadratic")
    Event.objects.filter(pk="KXT-2").update(series="KXU")


def charge(pair: Pair, fee_type: str, multiplier: int) -> None:
    """The thresholds are charged by another schedule, ``multiplier`` in 1/10,000: on the exchange and in the catalogue."""
    listed = pair[1].exchange.events["KXT-2"]
    listed.fee_type_override, listed.fee_multiplier_override = fee_type, multiplier
    columns = {"fee_type_override": fee_type, "fee_multiplier_override_e6": multiplier * 100}
    Event.objects.filter(pk="KXT-2").update(**columns)


@pytest.mark.parametrize("multiplier", [0, 5_000, 20_000])
@pytest.mark.parametrize("mode", ["sim", "live"])
def test_each_leg_is_charged_by_the_fees_of_its_own_event(pair: Pair, mode: str, multiplier: int) -> None:
    charge(pair, "quadratic_with_maker_fees", multiplier)
    position = bought(pair, mode=mode)
    fees = {leg.market_id: leg.fees for leg in position.legs.all()}
    ranges, thresholds = pair
    for ticker, price, times in (
        (ranges.markets[0], 2_000, 10_000),
        (ranges.markets[1], 2_500, 10_000),
        (thresholds.markets[1], 4_000, multiplier),
    ):
        exact = Fraction(7 * times * price * (10_000 - price), 10**7)  # of ten contracts, micro-dollars
        assert fees[ticker] == -(-exact // 100) * 100, "to the next hundredth of a cent"
    (mark,) = marks.of([Position.objects.select_related("profile", "event__series").get(pk=position.pk)]).values()
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    position = executor.step(position.pk)
    assert (position.status, mark.proceeds) == ("closed", sum(leg.sold_proceeds for leg in position.legs.all()))
    if mode == "live":
        agree(position.profile)


def test_a_fee_change_of_any_members_series_counts_for_what_a_position_would_bring(pair: Pair) -> None:
    of_another_series(pair)
    position = bought(pair)
    found = Position.objects.select_related("profile", "event__series").get(pk=position.pk)

    def proceeds() -> int:
        (mark,) = marks.of([found]).values()
        (case,) = gather.gather([position.pk], clock.now_ms())
        assert case.case.fees is not None
        sale = valuation.sell(case.case.legs, case.case.books, case.case.fees)
        assert mark.proceeds == sale.proceeds
        return int(sale.proceeds)

    before = proceeds()
    announced("", 2_000_000, series="KXU")
    assert before - proceeds() == 159_200, (
        "0.07 x 10 x 0.35 x 0.65, twice for once, each to the next hundredth of a cent"
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: Certificate.objects.filter(event=FAMILY).update(status="void"), "certificate"),
        (lambda: Event.objects.filter(pk=FAMILY).update(rules_hash="other"), "rules_changed"),
        (lambda: Event.objects.get(pk=FAMILY).members.filter(event="KXT-2").delete(), "price_no_book"),
        (lambda: Event.objects.filter(pk="KXT-2").update(fee_type_override="flat"), "fee_unknown"),
        (lambda: Event.objects.filter(pk="KXT-2").update(fee_multiplier_override_e6=20_000_000), "margin_gone"),
        (lambda: announced("KXT-2", 20_000_000), "margin_gone"),
        (lambda: announced("", None), "fee_unknown"),
    ],
    ids=["certificate", "rules", "member", "fee", "other fee", "announced fee", "announced without an amount"],
)
def test_what_it_rests_on_is_read_again_before_it_is_bought(pair: Pair, change: object, code: str) -> None:
    owner = profile()
    decision = families.decide(owner, *pair)
    change()  # type: ignore[operator]
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == code


def returning(pair: Pair, types: tuple[str, str] = ("MECNET", "DIRECNET")) -> None:
    """The account has collateral return on, and counts with it."""
    reconcile.run("live", "test")
    connection.client().portfolio.cash.set_netting(0, True)
    ExchangeAccount.objects.update(collateral="on")
    reconcile.run("live", "test")
    for twin, of in zip(pair, types, strict=True):
        Event.objects.filter(pk=twin.event).update(collateral_return_type=of)


def test_where_nothing_can_be_returned_it_is_bought_and_the_books_agree(pair: Pair) -> None:
    returning(pair)
    position = bought(pair)
    assert (position.status, position.collateral, position.returned) == ("open", None, 0)
    agree(position.profile)


@pytest.mark.parametrize(
    ("types", "sides", "refused"),
    [
        (("MECNET", "DIRECNET"), "no no yes", True),
        (("MECNET", "DIRECNET"), "no yes no", False),
        (("DIRECNET", "MECNET"), "no yes yes", True),
        (("DIRECNET", "DIRECNET"), "no no yes", False),
        (("", ""), "no no no", False),
        (("", "ELSE"), "yes yes yes", True),
    ],
)
def test_where_something_might_be_returned_it_is_not_bought(
    pair: Pair, types: tuple[str, str], sides: str, refused: bool
) -> None:
    returning(pair, types)
    decision = families.decide(profile(), *pair)
    legs = zip(decision.legs, sides.split(), strict=True)
    decision.legs = [{**leg, "side": side} for leg, side in legs]
    markets = Market.objects.filter(ticker__in=[leg["ticker"] for leg in decision.legs]).select_related("event")
    if not refused:
        collateral.check_family(decision, markets, ("on", {}))
        return
    with pytest.raises(Denied) as denied:
        collateral.check_family(decision, markets, ("on", {}))
    assert denied.value.code == DenialCode.COLLATERAL_FAMILY


def test_beside_contracts_that_are_not_ours_it_is_not_bought_while_collateral_is_returned(pair: Pair) -> None:
    returning(pair)
    owner = profile(beside_foreign=True)
    ExchangeAccount.objects.update(foreign={pair[0].markets[2]: -100})
    assert denied(owner, pair) == "foreign_contracts"
    ExchangeAccount.objects.update(collateral="off")
    assert bought(pair, name="others", beside_foreign=True).status == "open"


def test_a_dead_book_of_one_event_stops_the_purchase(pair: Pair) -> None:
    world.publish("KXT-2", pair[1].books(), age_ms=60_000)
    assert denied(profile("sim"), pair).startswith("price")


def test_what_is_neutral_returns_nothing_for_any_part_whatever_the_exchange_counts() -> None:
    """Every portfolio of up to four markets against every group that the exchange's word may mean."""
    tickers = ("A", "B", "C", "D")
    found = 0
    for sides in product((None, Side.YES, Side.NO, "both"), repeat=len(tickers)):
        held = [(t, s, 100) for t, side in zip(tickers, sides, strict=True) for s in _sides(side)]
        if not held:
            continue
        groups: dict[str, list[Group]] = {"": [Alone(tickers)], "MECNET": [Exclusive(tickers)]}
        groups["DIRECNET"] = [Ladder(order) for order in permutations(tickers)]
        for word, meant in groups.items():
            most = max(int(returned(held, group, Choices(yes_counts=yes))) for group in meant for yes in (False, True))
            neutral = collateral.is_neutral(word, held)
            assert neutral == (most == 0), (word, held)
            found += neutral
        assert not collateral.is_neutral("ELSE", held)
    assert found > 300


def _sides(side: Side | str | None) -> list[Side]:
    return [] if side is None else [Side.YES, Side.NO] if side == "both" else [Side(side)]
