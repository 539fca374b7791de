"""Events whose legs are a flow of single orders: taking every leg just does not pay, resting one does; the outcome shows in the end."""

from __future__ import annotations

from simulator.exchange import Exchange
from simulator.flow import maker_flow, market_makers, order_flow
from simulator.listing.model import Event
from simulator.matching.fees import worst_fee
from simulator.units import CONTRACT, ONE

from .test_edges_and_flow import bundled


def _flowing(exchange: Exchange) -> list[Event]:
    return [event for event in exchange.events.values() if event.flow]


def test_events_have_the_flow_in_turn_until_they_close_and_others_follow() -> None:
    exchange = bundled(maker_events=3, speed=1200.0, flow_events_per_step=0)
    exchange.advance(exchange.now() + 4_000)
    flowing = _flowing(exchange)
    assert {event.flow for event in flowing} == set(order_flow.KINDS)
    assert len(exchange.order_flows) == sum(len(event.markets) for event in flowing)
    closes = max(exchange.markets[ticker].close_ms for event in flowing for ticker in event.markets)
    exchange.advance(closes + 15_000)
    assert not {t for event in flowing for t in event.markets} & set(exchange.order_flows)
    assert len({event.ticker for event in _flowing(exchange)} - {event.ticker for event in flowing}) == 3


def test_taking_no_on_every_leg_misses_its_fees_and_resting_one_does_not() -> None:
    exchange = bundled(maker_events=3, speed=1.0, flow_events_per_step=0)
    exchange.advance(exchange.now() + 20_000)
    for event in _flowing(exchange):
        taken = rested = 0
        for ticker in event.markets:
            market, book = exchange.markets[ticker], exchange.books[ticker]
            bid, ask = book.best_bid() or 0, book.best_ask() or ONE
            fee = worst_fee(exchange.terms(market), bid or 100, CONTRACT, True, 100) // CONTRACT
            taken += ONE - bid + fee
            rested += ONE - ask
        pays = (len(event.markets) - 1) * ONE
        assert rested < pays, "at the best bids of NO a set keeps something"
        assert rested < taken
        assert taken > pays - 200, "what a buyer of every leg gains is within two ticks"


def test_the_flow_follows_values_that_walk_and_goes_on_after_a_restart() -> None:
    exchange = bundled(maker_events=1, speed=1.0)
    exchange.advance(exchange.now() + 3_000)
    (event,) = _flowing(exchange)
    ticker = event.markets[0]
    before = exchange.order_flows[ticker].fair
    exchange.markets[ticker].walk += 1.5
    exchange.advance(exchange.now() + 500)
    assert exchange.order_flows[ticker].fair > before
    assert market_makers.drift(exchange, event) < 1.0
    for ticker in list(exchange.order_flows):
        order_flow.stop(exchange, ticker)
    maker_flow.start(exchange)
    assert set(exchange.order_flows) == set(event.markets)
