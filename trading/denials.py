"""Why trading does not do something: every code with its sentence, in one place.

A refusal is a value (``Refusal``) or, where it ends what is going on, an exception (``Denied``). The code decides what
happens next; the detail is for people and is never compared. What the exchange itself answers to an order is not a denial:
its codes are an open set and stay on the order (``OrderError`` has the few that are ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kalbot.common.errors import KalbotError


class DenialCode(StrEnum):
    """Every reason for which a decision, an order, a purchase or an exit is refused."""

    # the whole of trading
    HALTED = "halted"
    REDUCING = "reducing"
    LIVE_OFF = "live_off"
    NOT_RECONCILED = "not_reconciled"
    CLOCK_SKEW = "clock_skew"
    LOCKED = "locked"
    DISCREPANCY = "discrepancy"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_UNSETTLED = "order_unsettled"
    # the decision and its profile
    EXPIRED = "expired"
    DENIED_ELSEWHERE = "denied"
    MODE = "mode"
    INACTIVE_PROFILE = "inactive_profile"
    KIND = "kind"
    BLACKOUT = "blackout"
    TOO_CLOSE = "too_close"
    EXCHANGE_PAUSED = "exchange_paused"
    PAUSE_SOON = "pause_soon"
    HOURS_UNKNOWN = "hours_unknown"
    COOLDOWN = "cooldown"
    EVENT_TAKEN = "event_taken"
    FOREIGN_CONTRACTS = "foreign_contracts"
    # limits
    MAX_PER_POSITION = "max_per_position"
    MAX_PER_LEG = "max_per_leg"
    MAX_PER_EVENT = "max_per_event"
    MAX_OPEN_POSITIONS = "max_open_positions"
    ORDERS_PER_MINUTE = "orders_per_minute"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    QUOTES_AT_ONCE = "quotes_at_once"
    ORPHAN_BUDGET = "orphan_budget"
    CAPITAL = "capital"
    SHARD_CASH = "shard_cash"
    LEG_RISK = "leg_risk"
    RATE_LIMIT = "rate_limit"
    # what the decision rests on
    NOT_EXCLUSIVE = "not_exclusive"
    RULES_CHANGED = "rules_changed"
    CERTIFICATE = "certificate"
    LEAST_GRADE = "least_grade"
    COLLATERAL_LEARNING = "collateral_learning"
    COLLATERAL_FAMILY = "collateral_family"
    SHARDS = "shards"
    NOT_ACTIVE = "not_active"
    FEE_UNKNOWN = "fee_unknown"
    # the books
    PRICE_DEAD_EPOCH = "price_dead_epoch"
    PRICE_STALE = "price_stale"
    PRICE_NO_BOOK = "price_no_book"
    PRICE_SUSPECT = "price_suspect"
    PRICE_NOT_ACTIVE = "price_not_active"
    PRICE_NO_SIDE = "price_no_side"
    PRICE_UNUSABLE = "price_unusable"
    DEPTH = "depth"
    MARGIN_GONE = "margin_gone"
    # a purchase under way
    TOO_LATE = "too_late"
    NO_FILL = "no_fill"
    NOT_ARRIVED = "not_arrived"
    NOT_COMPLETED = "not_completed"
    ORDER_REFUSED = "order_refused"
    QUOTE_ENDED = "quote_ended"
    QUOTE_LOSES = "quote_loses"
    QUOTE_WITHDRAWN = "quote_withdrawn"
    NOT_QUOTED = "not_quoted"
    NO_ORDER_GROUP = "no_order_group"
    ORPHANS_HELD = "orphans_held"
    HELD_FOR_FLOOR = "held_for_floor"
    # an exit
    STILL_BUYING = "still_buying"
    ENDED = "ended"
    MARKET_CLOSED = "market_closed"
    MARKET_PAUSED = "market_paused"
    NOT_IN_PARTS = "not_in_parts"
    EXIT_COUNTS = "exit_counts"
    UNBALANCED = "unbalanced"
    KEPT_ON_REQUEST = "kept_on_request"
    BASKET_BROKEN = "basket_broken"
    BELOW_FLOOR = "below_floor"
    NO_LEAST_PRICE = "no_least_price"
    NO_BID = "no_bid"
    OWN_ORDER = "own_order"
    SALE_NEEDS_FUNDS = "sale_needs_funds"
    REQUEST_WITHDRAWN = "request_withdrawn"

    @property
    def sentence(self) -> str:
        """What the code means, for a person."""
        return SENTENCES[self]

    @property
    def is_feed_outage(self) -> bool:
        """Whether the prices themselves are missing or unreliable, for every market alike. It passes without anybody's help,
        and new baskets are refused meanwhile anyway."""
        return self in FEED_OUTAGES


SENTENCES: Final[dict[DenialCode, str]] = {
    DenialCode.HALTED: "Trading is halted: nothing but cancels is sent.",
    DenialCode.REDUCING: "Trading is reducing: only exits and purchases that complete a basket are sent.",
    DenialCode.LIVE_OFF: "Live trading is switched off in this environment (KALBOT_LIVE).",
    DenialCode.NOT_RECONCILED: "This process has not reconciled its books with the exchange yet, or not lately.",
    DenialCode.CLOCK_SKEW: "This machine's clock differs too much from the exchange's; set it right.",
    DenialCode.LOCKED: "A lock stops new baskets for a while.",
    DenialCode.DISCREPANCY: "Our books differ from the exchange's, and nobody has explained or accepted it yet.",
    DenialCode.ORDER_UNKNOWN: "What became of an order of the account is not known yet; nothing new is bought until it is.",
    DenialCode.ORDER_UNSETTLED: "An order ended a moment ago with less than it wanted; no second one takes its place until that is final.",
    DenialCode.EXPIRED: "It waited too long: the prices that justified it are history.",
    DenialCode.DENIED_ELSEWHERE: "Another worker has denied this decision already.",
    DenialCode.MODE: "The profile's mode or subaccount is no longer the one that the decision was made in.",
    DenialCode.INACTIVE_PROFILE: "The profile is switched off.",
    DenialCode.KIND: "The profile does not buy this kind of basket.",
    DenialCode.BLACKOUT: "The profile does not trade at this time of day.",
    DenialCode.TOO_CLOSE: "A market of the basket closes too soon.",
    DenialCode.EXCHANGE_PAUSED: "The exchange takes no orders now.",
    DenialCode.PAUSE_SOON: "The exchange has announced a pause that begins too soon.",
    DenialCode.HOURS_UNKNOWN: "When the exchange pauses could not be read or understood; nothing new is begun until it is.",
    DenialCode.COOLDOWN: "The profile left a basket of this event too short a time ago.",
    DenialCode.EVENT_TAKEN: "A position on this event is active already.",
    DenialCode.FOREIGN_CONTRACTS: "The account holds or rests contracts in this event that are not ours.",
    DenialCode.MAX_PER_POSITION: "The basket costs more than the profile may put into one position.",
    DenialCode.MAX_PER_LEG: "A leg costs more than the profile may put into one leg.",
    DenialCode.MAX_PER_EVENT: "The profile would have more at risk on this event than it may.",
    DenialCode.MAX_OPEN_POSITIONS: "The profile has as many positions as it may.",
    DenialCode.ORDERS_PER_MINUTE: "The profile has sent as many orders within a minute as it may.",
    DenialCode.DAILY_LOSS: "The profile has lost as much today as it may.",
    DenialCode.DRAWDOWN: "The profile is as far below its best result as it may be.",
    DenialCode.QUOTES_AT_ONCE: "The profile quotes as many baskets as it may at once.",
    DenialCode.ORPHAN_BUDGET: "What may fill without the rest of its basket would cost more than the orphan budget of the event or day.",
    DenialCode.CAPITAL: "The profile has not enough free capital.",
    DenialCode.SHARD_CASH: "The account has not enough cash on the shard where these markets trade.",
    DenialCode.LEG_RISK: "Selling a half-filled basket would lose more than the leg-risk budget.",
    DenialCode.RATE_LIMIT: "The account's rate limit does not carry the orders and the unwind that they may need.",
    DenialCode.NOT_EXCLUSIVE: "The event is not mutually exclusive, which this kind of basket needs.",
    DenialCode.RULES_CHANGED: "The event's rules or outcomes changed after the decision.",
    DenialCode.CERTIFICATE: "The certificate that the basket rests on is no longer valid.",
    DenialCode.COLLATERAL_LEARNING: "How the exchange returns collateral is being learnt from another basket.",
    DenialCode.COLLATERAL_FAMILY: "Collateral return is on, and what it returns for these legs across events is not known.",
    DenialCode.LEAST_GRADE: "The basket's payoff is less sure than the profile asks for now.",
    DenialCode.SHARDS: "The legs trade on different shards of the exchange.",
    DenialCode.NOT_ACTIVE: "A market of the basket does not take orders.",
    DenialCode.FEE_UNKNOWN: "The event has a type of fee that is not known.",
    DenialCode.PRICE_DEAD_EPOCH: "The connection that brought these prices is gone.",
    DenialCode.PRICE_STALE: "The prices are older than the profile accepts.",
    DenialCode.PRICE_NO_BOOK: "There is no live book of a leg.",
    DenialCode.PRICE_SUSPECT: "A book has a gap and is being repaired.",
    DenialCode.PRICE_NOT_ACTIVE: "A market of the basket does not trade now.",
    DenialCode.PRICE_NO_SIDE: "Nobody offers one of the legs.",
    DenialCode.PRICE_UNUSABLE: "The prices cannot be used, for a reason that is not known here.",
    DenialCode.DEPTH: "The books do not hold enough at the limit prices.",
    DenialCode.MARGIN_GONE: "At the prices of now the basket no longer meets the profile's margin.",
    DenialCode.TOO_LATE: "The purchase was not finished in time.",
    DenialCode.NOT_ARRIVED: "The exchange could not be reached: the order never met the book.",
    DenialCode.NO_FILL: "Nothing was offered at the limit price when the order arrived.",
    DenialCode.NOT_COMPLETED: "The basket could not be completed in time.",
    DenialCode.ORDER_REFUSED: "The exchange refused the order.",
    DenialCode.QUOTE_ENDED: "The time for quoting this event is over.",
    DenialCode.QUOTE_LOSES: "Fills of the series' quotes have lost more than complete baskets would earn.",
    DenialCode.QUOTE_WITHDRAWN: "Its quotes were withdrawn: by a person, for an exit, or for a quote that returns more.",
    DenialCode.NOT_QUOTED: "Nothing of this position rests as a quote.",
    DenialCode.NO_ORDER_GROUP: "The exchange gave the quotes no order group, which bounds what may fill before the other legs are taken.",
    DenialCode.ORPHANS_HELD: "Contracts filled without the rest of their basket and are held until they settle, inside the orphan budget.",
    DenialCode.HELD_FOR_FLOOR: "What is held is sure to pay more than it cost, or than a sale would bring: it is kept without the rest.",
    DenialCode.STILL_BUYING: "The basket is still being bought; it is completed or unwound first. To stop that, halt trading.",
    DenialCode.ENDED: "The position has already ended.",
    DenialCode.MARKET_CLOSED: "The markets of what is left do not take orders any more.",
    DenialCode.MARKET_PAUSED: "The exchange has paused the market; it is tried again when it trades.",
    DenialCode.NOT_IN_PARTS: "Only an open position that nobody is exiting is sold in part; this one can be exited as a whole.",
    DenialCode.EXIT_COUNTS: "A partial exit sells of each leg no more than is held, and more than nothing in all.",
    DenialCode.UNBALANCED: "A basket whose floor is above its cost is sold in equal shares of each leg, unless a person says why not.",
    DenialCode.KEPT_ON_REQUEST: "Part of the position was sold on request, and these contracts were to be kept.",
    DenialCode.BASKET_BROKEN: "More is without its basket than the residual was about; what to do with it waits for a person.",
    DenialCode.BELOW_FLOOR: "A basket is sold for less than it pays in every listed state only if a person says so, in words.",
    DenialCode.NO_LEAST_PRICE: "There is no live price to take the least prices from; say what each leg must bring at least.",
    DenialCode.SALE_NEEDS_FUNDS: "Selling takes back collateral that was returned, and there is not as much cash.",
    DenialCode.NO_BID: "Nobody bids enough for what is left.",
    DenialCode.OWN_ORDER: "An order on our own account stands in the way: the exchange would stop the one that trades with it.",
    DenialCode.REQUEST_WITHDRAWN: "The exit request was withdrawn.",
}

FEED_OUTAGES: Final = frozenset(
    {
        DenialCode.PRICE_DEAD_EPOCH,
        DenialCode.PRICE_STALE,
        DenialCode.PRICE_NO_BOOK,
        DenialCode.PRICE_SUSPECT,
        DenialCode.PRICE_UNUSABLE,
    }
)

OF_ONE_EXIT: Final = FEED_OUTAGES | {
    DenialCode.NO_BID,
    DenialCode.OWN_ORDER,
    DenialCode.ORDER_UNSETTLED,
    DenialCode.MARKET_PAUSED,
    DenialCode.EXCHANGE_PAUSED,
    DenialCode.HALTED,
    DenialCode.LIVE_OFF,
}
"""Why an exit waits that is no reason against baskets elsewhere: it is about its own markets, or refuses those baskets by itself."""

_PRICE_CODES: Final = {
    "dead_epoch": DenialCode.PRICE_DEAD_EPOCH,
    "stale": DenialCode.PRICE_STALE,
    "no_book": DenialCode.PRICE_NO_BOOK,
    "suspect": DenialCode.PRICE_SUSPECT,
    "not_active": DenialCode.PRICE_NOT_ACTIVE,
    "no_side": DenialCode.PRICE_NO_SIDE,
}


def of_prices(reason: str) -> DenialCode:
    """The code of what ``EventPrices.usable`` found; a reason that is not known here is a refusal all the same."""
    return _PRICE_CODES.get(reason, DenialCode.PRICE_UNUSABLE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done now: a code, and what is particular to this case."""

    code: DenialCode
    detail: str = ""

    def __str__(self) -> str:
        """For people: the code in words, and the detail. The code itself is what decides."""
        words = str(self.code).replace("_", " ")
        return f"{words}: {self.detail}" if self.detail else words


class Denied(KalbotError):
    """Something must not or cannot be done now; ``refusal`` says why."""

    def __init__(self, code: DenialCode, detail: str = "") -> None:
        self.refusal = Refusal(code, detail)
        super().__init__(str(self.refusal))

    @property
    def code(self) -> DenialCode:
        return self.refusal.code

    @property
    def detail(self) -> str:
        return self.refusal.detail
