"""Quoters of NO on the legs of one simulated weather event whose books are a flow of single orders: a naive one, and one that asks the
product what may rest and takes the other legs when one fills. Counts 1/100 contract, prices 1/10,000 dollar, results micro-dollars."""

from __future__ import annotations

from random import Random

from kalbot.common.units import Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.states import StateList, listed_states
from simulator.exchange import Exchange
from simulator.flow import maker_flow, market_makers
from simulator.units import ONE, count2, dollars4
from strategies.dutch.basket import LegMarket
from strategies.quoting import hedged, resting
from strategies.quoting.hedged import Aim
from strategies.quoting.joining import Held
from strategies.quoting.refusal import Refused
from strategies.quoting.resting import Wanted
from strategies.quoting.synthetic import takings
from tests.simulator.world import HIGH, Client

SETS = 500
STEP_MS = 500
MOVES_EVERY = 7
"""Steps between two moves of the event's values."""


class Quoter:
    """``run`` returns the result with what is held worth its fair value: a set of all legs is worth what it pays."""

    def __init__(self, exchange: Exchange, kind: str) -> None:
        self.exchange, self.client = exchange, Client(exchange)
        self.event = exchange.events[HIGH]
        self.legs = list(self.event.markets)
        self.rng = Random(exchange.config.seed)
        self.own: dict[str, tuple[str, int, int]] = {}
        maker_flow.begin(exchange, self.event, kind)
        self.start = self.client.cash(0)
        self.sets = 0
        self.fills = 0

    def run(self, seconds: int) -> int:
        for number in range(seconds * 1000 // STEP_MS):
            if number % MOVES_EVERY == 0:
                market_makers.move_event(self.exchange, self.event, self.rng)
            self.act()
            self.exchange.advance(self.exchange.now() + STEP_MS)
        self.withdraw()
        held = self.held()
        self.sets = min(held.values())
        self.fills = sum(not fill.is_taker for fill in self.exchange.ledger.fills)
        return self.client.cash(0) - self.start + sum(self._worth(leg) * count for leg, count in held.items())

    def act(self) -> None:
        """What it does every ``STEP_MS``."""
        raise NotImplementedError

    def held(self) -> dict[str, int]:
        """NO contracts of each leg."""
        return {leg: -self.client.position(leg) for leg in self.legs}

    def rest(self, leg: str, price: int, count: int) -> None:
        """Bid for NO, post-only."""
        status, body = self.client.order(
            leg, "ask", dollars4(ONE - price), count2(count), "good_till_canceled", post_only=True
        )
        if status == 201:
            self.own[leg] = body["order_id"], price, count

    def take(self, leg: str, price: int, count: int) -> None:
        """Buy NO at ``price`` or less, now."""
        self.client.order(leg, "ask", dollars4(ONE - price), count2(count))

    def withdraw(self) -> None:
        for order_id, _, _ in self.own.values():
            self.client.cancel(order_id)
        self.own = {}

    def _worth(self, leg: str) -> int:
        markets = [self.exchange.markets[ticker] for ticker in self.legs]
        fair = market_makers.fair_probabilities(self.exchange, self.event, markets)
        return round(ONE * (1 - fair[self.legs.index(leg)] / sum(fair)))


class Naive(Quoter):
    """Joins the best bid for NO of every leg, and sells what is alone at the touch every ten seconds."""

    def __init__(self, exchange: Exchange, kind: str) -> None:
        super().__init__(exchange, kind)
        self.steps = 0

    def act(self) -> None:
        self.withdraw()
        self.steps += 1
        held = self.held()
        if self.steps % 20 == 0:
            for leg, count in held.items():
                self._sell(leg, count - min(held.values()))
        for leg, count in held.items():
            ask = self.exchange.books[leg].best_ask()
            if ask is not None and count < 10 * SETS:
                self.rest(leg, ONE - ask, SETS)

    def _sell(self, leg: str, count: int) -> None:
        ask = self.exchange.books[leg].best_ask()
        if count > 0 and ask is not None:
            self.client.order(leg, "bid", dollars4(ask), count2(count), reduce_only=True)


class Careful(Quoter):
    """Rests what ``strategies.quoting.hedged`` says, and as soon as a leg has filled buys what the others lack, if the basket still pays;
    what does not is held alone, and once that has cost the budget nothing rests any more."""

    margin_ppm = 1_000
    budget = Money(20_000_000)

    def __init__(self, exchange: Exchange, kind: str) -> None:
        super().__init__(exchange, kind)
        self.alone = dict.fromkeys(self.legs, 0)
        self.alone_cost = 0

    def act(self) -> None:
        beyond = self._beyond()
        if any(beyond.values()):
            prices = {leg: price for leg, (_, price, _) in self.own.items()}
            self.withdraw()
            self._hedge(prices)
            return
        found = hedged.bids(self._markets(), self._states(), self._aim(SETS), {})
        wanted = {} if isinstance(found, Refused) or self.alone_cost > self.budget else found.bids
        for leg in list(self.own):
            order_id, price, _ = self.own[leg]
            if leg not in wanted or wanted[leg][0] != price:
                self.client.cancel(order_id)
                del self.own[leg]
        for leg, (price, count) in wanted.items():
            if leg not in self.own:
                self.rest(leg, price, count)

    def _beyond(self) -> dict[str, int]:
        """What each leg holds beyond whole baskets and beyond what is held alone for good."""
        held = {leg: count - self.alone[leg] for leg, count in self.held().items()}
        return {leg: count - min(held.values()) for leg, count in held.items()}

    def _hedge(self, prices: dict[str, int]) -> None:
        beyond = self._beyond()
        most = max(beyond.values())
        taken = takings(self._markets(), Side.NO, Count(most))
        lacking = {leg: most - count for leg, count in beyond.items() if count < most}
        asks = {leg: one for leg, one in zip(self.legs, taken, strict=True) if not isinstance(one, Refused)}
        if set(lacking) <= set(asks):
            cost = sum(prices[leg] * count for leg, count in beyond.items() if count)
            cost += sum(asks[leg].cost * count // most for leg, count in lacking.items())
            if cost < (len(self.legs) - 1) * ONE * most:
                for leg, count in lacking.items():
                    self.take(leg, asks[leg].limit_price, count)
        for leg, count in self._beyond().items():
            self.alone[leg] += count
            self.alone_cost += count * prices.get(leg, 0)

    def _aim(self, count: int) -> Aim:
        return Aim(Side.NO, Count(count), self.margin_ppm, self.budget)

    def _states(self) -> StateList:
        return listed_states(self.legs, certified=True)

    def _markets(self) -> list[LegMarket]:
        """The books without our own orders."""
        found = []
        for leg in self.legs:
            book = self.exchange.books[leg]
            no = dict(book.no_levels())
            if leg in self.own:
                _, price, count = self.own[leg]
                no[price] = max(0, no.get(price, 0) - count)
            levels = [(price, size) for price, size in no.items() if size > 0]
            found.append(LegMarket(leg, Depth.of(book.yes_levels(), levels), FeeSchedule()))
        return found


class Taker(Careful):
    """Rests nothing: takes a whole set of legs whenever that leaves the margin after fees."""

    def act(self) -> None:
        taken = takings(self._markets(), Side.NO, Count(SETS))
        asks = [one for one in taken if not isinstance(one, Refused)]
        pays = (len(self.legs) - 1) * ONE * SETS
        cost = sum(one.cost for one in asks)
        if len(asks) == len(self.legs) and (pays - cost) * 1_000_000 >= self.margin_ppm * cost:
            for leg, one in zip(self.legs, asks, strict=True):
                self.take(leg, one.limit_price, SETS)


class Joining(Careful):
    """Rests every leg at its best bid as ``strategies.quoting.resting`` says and takes nothing: what stays alone is held."""

    def act(self) -> None:
        held = self._paid()
        wanted = Wanted(Side.NO, Count(10 * SETS), Count(100), self._pays(), self.margin_ppm, self.budget)
        found = resting.bids(self._markets(), wanted, held)
        bids = {} if isinstance(found, Refused) else found
        for leg in list(self.own):
            order_id, price, count = self.own[leg]
            if bids.get(leg) != (price, count):
                self.client.cancel(order_id)
                del self.own[leg]
        for leg, (price, count) in bids.items():
            if leg not in self.own:
                self.rest(leg, price, count)

    def _paid(self) -> Held:
        held = Held()
        for fill in self.exchange.ledger.fills:
            held.add(fill.ticker, fill.count, (ONE - fill.price) * fill.count)
        return held

    def _pays(self) -> Price:
        return Price((len(self.legs) - 1) * ONE)
