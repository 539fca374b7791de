"""Every reason for a verdict: one code each, and the one sentence that explains it to a person.

The code is what rows store and what code compares; sentences are for screens only and decide nothing.
"""

from __future__ import annotations

from typing import Final

from kalbot.common.coded import Coded


class Reason(Coded):
    """The binding constraint of a verdict. The value is the stored code."""

    # Structure of the event: the filters, in the order in which they bind
    COMBO = "combo", "a combination of other markets"
    CATEGORY = "category", "of a category that the profile leaves out"
    SERIES = "series", "of a series that the profile leaves out"
    EXCLUSIVE = "exclusive", "more than one outcome may win"
    OUTCOMES = "outcomes", "too few or too many outcomes"
    CONTRACT = "contract", "not a plain one-dollar contract"
    LEG_STATUS = "leg_status", "an outcome does not trade"
    SHARD = "shard", "outcomes lie on different exchange shards"
    FEE_TYPE = "fee_type", "its fee is not known"
    CLOSE_TIME = "close_time", "its close time is not known"
    CLOSES_SOON = "closes_soon", "closes too soon"
    CLOSES_LATE = "closes_late", "closes too late"
    VOLUME = "volume", "too little traded"
    OPEN_INTEREST = "open_interest", "too little open interest"
    GRADE = "grade", "the payoff is less sure than the profile asks for"
    CERTIFICATE = "certificate", "no certificate says how the event can settle"

    # Quotes: one contract a leg at the best prices of the catalogue
    KINDS = "kinds", "the profile buys no kind of basket that fits"
    NO_BID = "no_bid", "an outcome that nobody bids for"
    MARGIN = "margin", "costs more than it pays, or leaves less than the least margin"
    EXPECTED_MARGIN = "expected_margin", "expected to pay too little"

    # The search, on quotes or books
    NO_KINDS = "no_kinds", "the profile allows no kind of basket"
    NO_LEGS = "no_legs", "the event lists no outcome"
    DUPLICATE_LEG = "duplicate_leg", "an outcome is listed twice"
    TOO_FEW_LEGS = "too_few_legs", "a basket needs two outcomes"
    NOT_EXCLUSIVE = "not_exclusive", "several outcomes can win, or all can lose"
    NO_PRICE = "no_price", "an outcome without bid and ask"
    NO_ASK = "no_ask", "an outcome that nobody offers"
    COVERAGE = "coverage", "the likely outcomes do not add up"
    MAX_LEGS = "max_legs", "more orders than the account can send and unwind at its write rate"
    PRICE = "price", "on live prices it costs more than it pays"
    DEPTH = "depth", "too few contracts at the price"
    UNDECIDED = "undecided", "neither a basket nor a proof that there is none was found within the limit of work"
    MAX_COUNT = "max_count", "the least basket is larger than the largest allowed"
    MAX_COST_PER_LEG = "max_cost_per_leg", "one leg costs more than the profile allows"
    MAX_COST = "max_cost", "the basket costs more than the profile allows or has left"
    MIN_PROFIT = "min_profit", "profit below the least wanted"
    MIN_MARGIN = "min_margin", "margin at the limit prices below the least wanted"
    MIN_ANNUALISED = "min_annualised", "yearly return on the locked capital below the least wanted"
    MIN_EXPECTED_MARGIN = "min_expected_margin", "expected margin on live prices below the least wanted"
    FEE_BOUND = "fee_bound", "pays, but not if its legs fill in pieces: the fee bound is more than the profit"
    SETTLEMENT_STATE = "settlement_state", "the rules allow a settlement in which it pays less than it costs"
    VOID = "void", "the rules let the exchange void it at prices of its own"
    NOT_CERTIFIED = "not_certified", "the price would do, but no certificate says that a listed outcome must win"

    # Quotes: taking every leg does not pay, and nothing may rest either
    QUOTE_ENDS_SOON = "quote_ends_soon", "taking all legs does not pay, and the event ends too soon to quote it"
    QUOTE_NO_HEDGE = "quote_no_hedge", "no quote: another leg is offered by nobody"
    QUOTE_DEPTH = "quote_depth", "no quote: another leg is not offered in the whole count"
    QUOTE_MARGIN = "quote_margin", "no quote: with the other legs taken, no price leaves the margin"
    QUOTE_GRID = "quote_grid", "no quote: the market's grid has no price that may rest there"
    QUOTE_BEHIND = "quote_behind", "no quote: the highest price that leaves the margin is behind the best bid"
    QUOTE_NO_TOUCH = "quote_no_touch", "no quote: a leg for which nobody bids"
    QUOTE_PAIR = "quote_pair", "no quote: the best bids of all legs together leave less than the margin"
    QUOTE_ORPHANS = "quote_orphans", "no quote: what may fill alone costs more than the orphan budget"
    QUOTE_COST = "quote_cost", "no quote: the least one costs more than the profile may put in or has left"
    QUOTE_LOSES = "quote_loses", "no quote: fills of the series' quotes have lost more than complete baskets would earn"
    QUOTES = "quotes", "as many quotes as the profile may have at once"

    # Live prices that must not be traded on
    NO_BOOK = "no_book", "no live order book yet"
    STALE = "stale", "no fresh prices"
    DEAD_EPOCH = "dead_epoch", "the connection that brought its prices is gone"
    SUSPECT = "suspect", "an order book with a gap is being repaired"
    NOT_ACTIVE = "not_active", "a market is paused"
    OUTCOMES_CHANGED = "outcomes_changed", "the outcomes are not those of the last scan"

    IMPLAUSIBLE = "implausible", "a margin too high to be believed; a person must approve the event"

    # The profile, whatever the prices are
    NOT_OPEN = "not_open", "the event has closed since the scan"
    OPEN_POSITION = "open_position", "the profile has a basket of this event already"
    COOLDOWN = "cooldown", "a basket of this event was bought or ended a moment ago"
    BLACKOUT = "blackout", "at a time without new baskets"
    EXCHANGE_SHUT = "exchange_shut", "the exchange is shut, pauses soon, or did not say when it does"
    OPEN_POSITIONS = "open_positions", "as many positions as the profile may have"
    OUTRANKED = "outranked", "capital, positions or orders went to baskets that return more"
    HURDLE = "hurdle", "it returns less than its capital is expected to earn elsewhere"
    RACED = "raced", "another cycle decided first"
    ERROR = "error", "a fault in the evaluation, see the log"
    DECIDED = "decided", "bought"


class EstimateReason(Coded):
    """Whose quotes the probabilities of a bet on coverage come from, and why. They decide no verdict by themselves."""

    FAMILY = "family", "by the quotes of {family}, which have earned it"
    NO_FAMILY = "no_family", "by the event's own quotes: it is of no family"
    NOT_EARNED = "not_earned", "by the event's own quotes: those of families have not earned it here"
    SIBLING_NO_BOOK = "sibling_no_book", "by the event's own quotes: {family} has a market without a live book"
    SIBLING_STALE = "sibling_stale", "by the event's own quotes: prices of {family} are older than the event's"
    SIBLING_EPOCH = "sibling_epoch", "by the event's own quotes: prices of {family} are of another connection"
    SIBLING_SUSPECT = "sibling_suspect", "by the event's own quotes: a book of {family} has a gap and is being repaired"
    SIBLING_PAUSED = "sibling_paused", "by the event's own quotes: a market of {family} does not trade"
    FAMILY_CHANGED = "family_changed", "by the event's own quotes: {family} is not what its certificate is for"
    INCOHERENT = "incoherent", "by the event's own quotes: no probabilities agree with all quotes of {family}"


def sentence_of(code: str) -> str:
    """The sentence of a stored code; empty for a code that no version of today writes, and for no code."""
    reason = _BY_CODE.get(code)
    return "" if reason is None else reason.sentence


_BY_CODE: Final = {str(reason): reason for reason in Reason}

LIFTED_BY_PRICES: Final = frozenset(
    {
        Reason.MARGIN,
        Reason.EXPECTED_MARGIN,
        Reason.NO_ASK,
        Reason.NO_BID,
        Reason.NO_PRICE,
        Reason.DEPTH,
        Reason.COVERAGE,
    }
)
"""Constraints by quotes that a move of the market can lift at any moment."""

FIXED_BY_BOOKS: Final = frozenset(
    {
        Reason.PRICE,
        Reason.NO_ASK,
        Reason.NO_PRICE,
        Reason.COVERAGE,
        Reason.NOT_CERTIFIED,
        Reason.VOID,
        Reason.SETTLEMENT_STATE,
        Reason.MAX_LEGS,
    }
)
"""Constraints that depend on nothing but the event, its books and the account's write rate: the same give the same verdict again."""

NEVER_NEAR: Final = frozenset({Reason.CLOSES_SOON})
"""Filters that nothing can lift any more, however closely they were missed: time only runs out."""
