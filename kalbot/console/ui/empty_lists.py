"""What fills each list: an empty one says it, so that nobody wonders whether something is broken."""

from __future__ import annotations

from typing import Final

FILLED_BY: Final[dict[str, str]] = {
    "auth.group": "manage.py seed makes the roles.",
    "auth.user": "manage.py createsuperuser makes the first person.",
    "console.act": "What people do by dialogs, forms, the API and the command line is kept here.",
    "console.channel": "A channel is where notifications go: mail, a messenger, a web address. Without one nobody is notified.",
    "console.delivery": "A row for each message that is sent to a channel.",
    "console.logrecord": "Warnings and errors of every process, as they come.",
    "console.notification": "A row for each thing that people are notified of, as it happens.",
    "console.taskrecord": "A row for each task that a worker has run; there are workers and beat once they are started.",
    "django_celery_beat.intervalschedule": "manage.py seed_schedules makes the intervals.",
    "django_celery_beat.periodictask": "manage.py seed_schedules makes them.",
    "markets.certificate": "A scan writes one for each event whose rules it has read completely.",
    "markets.contractterms": "manage.py seed proposes the known ones; a risk manager reads and approves them.",
    "markets.event": "A scan fills it with every open event of the exchange.",
    "markets.exchangemessage": "Fills and lifecycle messages of the stream, until they are applied.",
    "markets.feechange": "Changes of fees that the exchange has announced for its series.",
    "markets.market": "A scan fills it with the outcomes of every open event.",
    "markets.reviewedseries": "A risk manager adds a series whose rules were read.",
    "markets.scan": "A scan runs by itself as soon as there are workers and beat, or by manage.py scan.",
    "markets.series": "A scan fills it with the series of the exchange.",
    "markets.tapegap": "Times in which nothing was recorded. None is good.",
    "markets.watch": "Events whose prices are followed: candidates, near misses, what is held.",
    "strategies.cycle": "A row for each strategy cycle; they run once there are workers, beat and live prices.",
    "strategies.decision": "A row for each basket that a profile decided to buy. “Why not?” says what stands in the way.",
    "strategies.nearmiss": "Events that a profile nearly buys. The first screening after a scan finds them.",
    "strategies.profile": "manage.py seed makes three that trade on paper.",
    "strategies.screening": "A row for each profile and scan.",
    "strategies.verdict": "What each profile thinks of each event. The first screening after a scan writes them.",
    "trading.accounttransaction": "Deposits, withdrawals and transfers that the exchange reports.",
    "trading.correction": "Corrections of what was booked, with who made them and why. None is good.",
    "trading.denial": "Decisions that were refused before an order, each with its reason.",
    "trading.discrepancy": "What our books and the exchange's say differently. None is good.",
    "trading.exchangeaccount": "The first reconciliation of a live profile reads the account.",
    "trading.exitrequest": "Exits that people, the API or triage have requested.",
    "trading.fill": "Trades of our orders. The first bought basket brings some.",
    "trading.foreignorder": "Orders on the account that are not ours.",
    "trading.ledgerentry": "The lines of each booking.",
    "trading.ledgertransaction": "Bookings. The first one is the capital of a profile that buys.",
    "trading.leg": "The legs of each position.",
    "trading.liveeventclaim": "Events that a live profile holds or buys, so that no other does.",
    "trading.lock": "What keeps a profile, or all, from buying for a time. None is good.",
    "trading.order": "Orders of every position. The first bought basket brings some.",
    "trading.paperorder": "Orders that rest on paper.",
    "trading.position": "Baskets that a profile has begun to buy. “Why not?” says what stands in the way.",
    "trading.positionevent": "Each change of each position.",
    "trading.profilebalance": "The totals of a profile, from its first booking on.",
    "trading.reconciliation": "A row for each comparison with the exchange, once a minute while there are workers and beat.",
    "trading.settlement": "What each leg was paid when its market was determined.",
    "trading.tradingstate": "manage.py seed stores it; while it is missing everything is halted.",
    "triage.assessment": "What triage saw of each open position, and what it advised.",
    "triage.baseline": "What was so when a position was opened; later assessments are compared with it.",
    "triage.learnederrors": "How far sources were off, once enough of their numbers have settled.",
    "triage.pointforecast": "Numbers that sources said of the values of events.",
    "triage.recommendation": "Advice of triage on open positions.",
    "triage.sourceforecast": "Probabilities that sources said of events with positions.",
}
"""By the label of the model."""


def filled_by(label: str) -> str:
    """What fills the list of a model."""
    return FILLED_BY.get(label, "")
