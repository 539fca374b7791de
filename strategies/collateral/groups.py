"""Which settlements the exchange itself counts with when it returns collateral, and how much that is.

With collateral return on, an account is charged the largest loss of its positions in a group and no more (docs/capital.md): what the
group pays at least is *returned* at once, and settlement pays that much less. The exchange knows two kinds of group:

- ``MECNET``: at most one market resolves Yes, perhaps none;
- ``DIRECNET``: thresholds on one value, of which the higher one implies the lower.

These are the exchange's states, not those of a certificate: what it returns follows from its own fields, whatever the contract terms
allow. Counts in 1/100 contract, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.book import Side
from markets.terms.states import Holding

CENT: Final = 10_000


class GroupError(ValueError):
    """A group without markets, one market twice, or a holding of a stranger."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What is not documented; learning sets it. ``yes_counts``: whether YES positions count towards what is returned; ``whole_cents``:
    whether what is returned is rounded down to cents."""

    yes_counts: bool = False
    whole_cents: bool = False


class Group(Protocol):
    """The markets of one group and what they may come to together."""

    @property
    def markets(self) -> tuple[str, ...]:
        """Their tickers."""
        ...

    def outcomes(self) -> Iterable[frozenset[str]]:
        """Every way in which the exchange lets them settle: the markets that resolve Yes."""
        ...


@dataclass(frozen=True, slots=True)
class Exclusive:
    """MECNET: at most one of ``markets`` resolves Yes."""

    markets: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.markets)

    def outcomes(self) -> Iterable[frozenset[str]]:
        """Each alone, or none."""
        yield frozenset()
        for ticker in self.markets:
            yield frozenset((ticker,))


@dataclass(frozen=True, slots=True)
class Ladder:
    """DIRECNET: thresholds in the order of their strikes; each that resolves Yes takes all before it along."""

    markets: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.markets)

    def outcomes(self) -> Iterable[frozenset[str]]:
        """The first k, for every k."""
        for number in range(len(self.markets) + 1):
            yield frozenset(self.markets[:number])


@dataclass(frozen=True, slots=True)
class Alone:
    """No group: nothing is ever returned."""

    markets: tuple[str, ...]

    def __post_init__(self) -> None:
        _check(self.markets)

    def outcomes(self) -> Iterable[frozenset[str]]:
        """None is counted with, so nothing is promised."""
        return ()


def _check(markets: Sequence[str]) -> None:
    if not markets or len(set(markets)) != len(markets):
        raise GroupError("a group has markets, each once")


@dataclass(frozen=True, slots=True)
class Known:
    """What has been determined so far: ticker -> whether it resolved Yes."""

    results: Mapping[str, bool] = field(default_factory=dict)

    def allows(self, outcome: frozenset[str]) -> bool:
        """Whether this outcome is still possible."""
        return all((ticker in outcome) is yes for ticker, yes in self.results.items())


def returned(holdings: Iterable[Holding], group: Group, choices: Choices, known: Known | None = None) -> Money:
    """What the exchange has returned while ``holdings`` (of markets that are not settled yet) are held: the least that they pay over
    every outcome still possible; nothing where no group promises anything."""
    counted = _counted(holdings, group, choices)
    possible = [outcome for outcome in group.outcomes() if known is None or known.allows(outcome)]
    least = min((_pays(counted, outcome) for outcome in possible), default=0)
    return Money(least // CENT * CENT if choices.whole_cents else least)


def _counted(holdings: Iterable[Holding], group: Group, choices: Choices) -> list[Holding]:
    markets, counted = set(group.markets), []
    for ticker, side, count in holdings:
        if ticker not in markets:
            raise GroupError(f"{ticker} is not of the group")
        if count < 0:
            raise GroupError(f"{ticker}: a holding cannot be negative")
        if side is Side.NO or choices.yes_counts:
            counted.append((ticker, side, count))
    return counted


def _pays(holdings: Iterable[Holding], outcome: frozenset[str]) -> int:
    return sum(count * DOLLAR_PRICE for ticker, side, count in holdings if (ticker in outcome) is (side is Side.YES))
