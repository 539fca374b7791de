"""Sentences that let an event settle in another way than "one outcome wins", in many words, by what they let happen."""

from __future__ import annotations

from typing import Final

from tests.strategies.stranger.wire_events import World

NOBODY: Final = (
    "Should the bureau stay silent, every contract here goes to No.",
    "If nothing is on record by the deadline, No is the answer for each of these markets.",
    "Absent a posted figure, all positions held on the Yes side are worthless.",
    "Where the reading is missing, none of the listed choices is treated as correct.",
    "A value that is struck out afterwards counts as no value, and each strike is then No.",
    "In the event of an outage the contracts lapse without payment to Yes holders.",
    "Contracts for which no outcome was confirmed pay zero.",
    "If the body does not convene, no market resolves affirmatively.",
    "The exchange will treat an unpublished number as falling outside of all ranges.",
    "Yes pays only if the source has confirmed the number twice.",
    "If the report is withdrawn, the market resolves to No.",
    "Unless two agencies agree, the answer is No throughout.",
)
SPLITS: Final = (
    "If they cannot be ranked, the dollar is divided evenly among all listed contracts.",
    "A dead heat pays each contract the same fraction.",
    "Level finishes settle every market at 50 cents.",
    "On a void day all strikes settle half and half.",
    "If both are level, each of the contracts above is worth fifty cents.",
    "When a result is shared, the market resolves to 50/50.",
    "Joint holders split the payout equally.",
    "Should the difference be nil, Yes and No each receive $0.50 in every market.",
)
SEVERAL: Final = (
    "Where more than one choice satisfies the condition, each of them is Yes.",
    "Shared honours count in full for every holder.",
    "Co-holders are each deemed to have won.",
    "Each contract is judged on its own; more than one may pay.",
    "A value that sits on a boundary counts for both neighbours.",
    "Ties resolve Yes for all tied parties.",
    "Acting and permanent holders both count.",
    "The highest and the second highest reading are both accepted.",
)
PRICES: Final = (
    "If play stops for good, settlement is at the price of the last trade.",
    "Abandonment leads to settlement at the volume-weighted price of the last hour.",
    "Kalshi may set a settlement value between $0 and $1 at its own judgement.",
    "A contract without result is closed at its mid price of noon.",
    "Where that is unclear each market is settled at a reasonable value.",
    "Refunds at cost are made if the meeting is off.",
    "Settlement may be proportional to the share of the day that was measured.",
    "Markets will be settled linearly between the two strikes.",
    "If a strike is delisted its holders receive the last bid.",
    "Payment may be less than $1 when the source gives a range.",
)
OTHERWISE: Final = (
    "The station of the airport to the east is used when this one is down.",
    "Readings are taken between noon and midnight local time only.",
    "Revisions that are published within ten days replace the first value.",
    "The number is rounded half up to the nearest five before it is compared.",
    "Figures in Celsius are converted and then cut to whole degrees.",
    "A leap second moves the window by one minute.",
    "The first of the three releases counts for the lower strikes, the last for the upper ones.",
    "For strikes above 91 the date is the day after.",
    "Strikes exclude their upper bound.",
    "Overtime is included for the first listed side only.",
    "This summary is superseded by the notice of July 1.",
    "The terms of the product certification prevail where they say otherwise.",
    "Resolution of this market depends on another event of the exchange.",
)
ALL: Final = (*NOBODY, *SPLITS, *SEVERAL, *PRICES, *OTHERWISE)


def worlds(sentence: str, outcomes: int) -> tuple[World, ...]:
    """What the sentence may lead to."""
    if sentence in NOBODY:
        return ((0.0,) * outcomes,)
    if sentence in SPLITS:
        return ((0.5,) * outcomes, (1 / outcomes,) * outcomes)
    if sentence in SEVERAL:
        return ((1.0,) * outcomes, (1.0, 1.0) + (0.0,) * (outcomes - 2))
    if sentence in PRICES:
        return ((0.1,) * outcomes, (0.9,) * outcomes)
    return ((0.0,) * outcomes, (1.0, 1.0) + (0.0,) * (outcomes - 2))
