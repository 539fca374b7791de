"""A small market for triage's tests: catalogue rows, live books in the real Redis, positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import redis

from kalbot.common import clock
from markets.models import Certificate, Event, Market, Series
from markets.prices import EVENT_KEY, LEASE_KEY, EventRecord, Lease, MarketRecord
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade
from markets.terms.states import listed_states
from strategies.models import Decision, Profile
from trading.models import Leg, Position

Levels = Sequence[tuple[int, int]]
OUTCOMES: dict[str, tuple[Levels, Levels]] = {
    "A": ([(4000, 5000)], [(5800, 5000)]),
    "B": ([(3500, 5000)], [(6300, 5000)]),
    "C": ([(1700, 5000)], [(8100, 5000)]),
}
"""Letter -> (YES bids, NO bids). Middles 0.41, 0.36, 0.18: a market that is almost fair."""


@dataclass
class World:
    """One event ``name`` with its books; ``publish`` puts them into Redis as the stream would."""

    client: redis.Redis
    name: str = "KXTEST-26NOV24"
    books: dict[str, tuple[Levels, Levels]] = field(default_factory=lambda: dict(OUTCOMES))
    status: dict[str, str] = field(default_factory=dict)
    suspect: set[str] = field(default_factory=set)
    epoch: str = "epoch-1"

    def ticker(self, letter: str) -> str:
        return f"{self.name}-{letter}"

    def publish(self, age_ms: int = 0) -> None:
        now = clock.now_ms()
        records = tuple(
            MarketRecord(
                self.ticker(letter),
                self.status.get(letter, "active"),
                None,
                None,
                1,
                1,
                now,
                now,
                letter in self.suspect,
                True,
                tuple(yes),
                tuple(no),
            )
            for letter, (yes, no) in self.books.items()
        )
        self.client.set(EVENT_KEY + self.name, msgspec.msgpack.encode(EventRecord(self.epoch, records)))
        self.client.set(LEASE_KEY + "0", msgspec.msgpack.encode(Lease(self.epoch, now - age_ms, "token")))

    def silence(self) -> None:
        self.client.delete(LEASE_KEY + "0")

    def list_event(self, certified: bool = True, days: float = 1.0, **event: Any) -> Event:
        series, _ = Series.objects.get_or_create(ticker=self.name.split("-")[0], defaults={"fee_type": "quadratic"})
        close = clock.now() + timedelta(days=days)
        row = Event.objects.create(
            ticker=self.name, series=series, mutually_exclusive=True, rules_hash=f"rules-{self.name}", **event
        )
        for letter in self.books:
            self.list_market(row, letter, close)
        if certified:
            Certificate.objects.create(
                event=row,
                status=Certificate.Status.GRANTED,
                kind="tiling",
                rules_hash=row.rules_hash,
                states=listed_states([self.ticker(letter) for letter in self.books], certified=True).to_json(),
                grade=Grade.GUARANTEED.value,
                one_must_win=True,
                reading=CERTIFICATE_VERSION,
            )
        return row

    def list_market(self, event: Event, letter: str, close: datetime | None = None, **values: Any) -> Market:
        defaults: dict[str, Any] = {
            "status": "active",
            "yes_sub_title": f"outcome {letter}",
            "close_time": close or event.close_time,
            "rules_primary": "If it is so, then the market resolves to Yes.",
        }
        return Market.objects.create(ticker=self.ticker(letter), event=event, **(defaults | values))

    def hold(
        self,
        profile: Profile,
        event: Event,
        legs: Mapping[str, str],
        *,
        kind: str,
        cost: int,
        count: int = 1000,
        coverage_ppm: int = 950_000,
        held_for: timedelta = timedelta(minutes=10),
        **values: Any,
    ) -> Position:
        certificate = event.certificates.filter(status="granted").first()
        decision = Decision.objects.create(
            profile=profile,
            mode=profile.mode,
            event=event,
            kind=kind,
            count=count,
            legs=[],
            cost=cost,
            fees=0,
            max_cost=cost,
            floor=0,
            conditional=0,
            expected=0,
            coverage_ppm=coverage_ppm,
            margin_ppm=0,
            guaranteed=False,
            certificate=certificate,
            rules_hash=event.rules_hash,
            probabilities={self.ticker(letter): 0.3 for letter in self.books},
            epoch=self.epoch,
        )
        position = Position.objects.create(
            profile=profile,
            mode=profile.mode,
            decision=decision,
            event=event,
            kind=kind,
            status="open",
            target_count=count,
            matched_count=count,
            cost=cost,
            opened_at=clock.now() - held_for,
            **values,
        )
        for letter, side in legs.items():
            Leg.objects.create(
                position=position,
                market_id=self.ticker(letter),
                side=side,
                target_count=count,
                limit_price=5000,
                bought_count=count,
                bought_cost=cost // len(legs),
            )
        return position


def make_profile(name: str = "careful", **values: Any) -> Profile:
    """A profile in sim mode."""
    return Profile.objects.create(name=name, mode="sim", kinds=["all_no", "all_yes", "coverage"], **values)
