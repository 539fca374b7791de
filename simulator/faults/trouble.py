"""Troubles by seed: fault rules, timetable entries and settings, drawn from a number alone so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

CREATE = "/portfolio/events/orders"
CODES = ("invalid_order", "insufficient_balance", "order_already_exists", "fill_or_kill_insufficient_resting_volume")
STRUCTURES = ("linear_cent", "deci_cent", "tapered_deci_cent", "center_half_edge_deci_cent")
FEE_TYPES = ("quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees", "flat", "unheard_of")


@dataclass
class Trouble:
    """Terms of fault rules, entries of the timetable (instants as ``in_ms`` from now), and settings."""

    faults: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


def draw(seed: int, tickers: Sequence[str], for_ms: int, kinds: Sequence[str] | None = None) -> Trouble:
    """What goes wrong within ``for_ms`` in these markets. ``kinds`` of ``KINDS`` (default: all); ValueError for another.

    Each kind has its own stream, so that leaving one out changes none of the others.
    """
    chosen = sorted(KINDS) if kinds is None else list(kinds)
    unknown = sorted(set(chosen) - set(KINDS))
    if unknown or not tickers or for_ms <= 0:
        raise ValueError(f"kinds are {', '.join(sorted(KINDS))}; there are markets and a time above zero")
    found = Trouble()
    for kind in chosen:
        KINDS[kind](found, Random(f"{seed}:{kind}"), list(tickers), for_ms)
    return found


def _answers(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """Creates answered 0/0 before their fill, 5xx with a code after the commit, answers that never come."""
    for _ in range(rng.randint(1, 3)):
        more: dict[str, Any] = rng.choice(
            (
                {"kind": "zero_answer", "delay_ms": rng.choice((0, 40, 700, 5_000))},
                {
                    "kind": "error",
                    "when": rng.choice(("before", "after")),
                    "status": rng.choice((408, 500, 502, 503, 504)),
                    "code": rng.choice(CODES),
                },
                {"kind": "timeout", "when": rng.choice(("before", "after"))},
                {"kind": "rate_limit"},
            )
        )
        path = rng.choice((CREATE, CREATE, CREATE + "/batched/item"))
        found.faults.append({"method": "POST", "path": path, "skip": rng.randrange(6), **more})


def _jumps(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """Books jump between any two requests, and by the clock."""
    body = {"tickers": tickers, "shape": "any"}
    found.faults.append(
        {"kind": "act", "action": "jump", "body": body, "count": 0, "rate": rng.choice((0.05, 0.2, 0.5))}
    )
    for _ in range(rng.randint(0, 4)):
        found.entries.append({"in_ms": rng.randrange(for_ms), "action": "jump", "body": _one(tickers, rng)})


def _one(tickers: list[str], rng: Random, **more: Any) -> dict[str, Any]:
    return {"ticker": rng.choice(tickers), **more}


def _ends(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """Prices at the ends of the grid, now and then with a return."""
    for ticker in rng.sample(tickers, rng.randint(1, len(tickers))):
        at = rng.randrange(for_ms)
        shape = rng.choice(("low", "high"))
        found.entries.append({"in_ms": at, "action": "jump", "body": {"ticker": ticker, "shape": shape}})
        if rng.random() < 0.7:
            later = at + rng.choice((50, 400, 3_000))
            found.entries.append({"in_ms": later, "action": "jump", "body": {"ticker": ticker, "shape": "return"}})


def _pauses(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """A market, a shard or the exchange pauses; sometimes announced beforehand."""
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(for_ms), rng.choice((100, 2_000, 20_000))
        whole = {rng.choice(("trading_paused", "exchange_paused")): True, "for_ms": length}
        action, body = rng.choice(
            (
                ("market/pause", _one(tickers, rng, for_ms=length)),
                ("status", whole | {"shard": rng.randrange(4)}),
                ("status", whole),
                ("maintenance", {"in_ms": rng.choice((0, 5_000)), "for_ms": length, "exchange": rng.random() < 0.5}),
            )
        )
        found.entries.append({"in_ms": at, "action": action, "body": body})


def _actor(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """Somebody else acts on the account: by the clock, and between two requests."""
    body = {"do": "any", "tickers": tickers}
    for _ in range(rng.randint(1, 5)):
        found.entries.append({"in_ms": rng.randrange(for_ms), "action": "actor", "body": dict(body)})
    found.faults.append(
        {"kind": "act", "action": "actor", "body": body, "count": rng.randint(1, 3), "skip": rng.randrange(12)}
    )


def _reads(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """Reads that lag behind writes, and cached ones."""
    found.settings["read_delay_ms"] = rng.choice((0, 200, 900))
    found.settings["stale_cache_ms"] = rng.choice((0, 15_000))
    found.settings["stale_books_ms"] = rng.choice((0, 0, 10_000))
    found.settings["stale_account_ms"] = rng.choice((0, 0, 1_000))


def _restarts(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    for _ in range(rng.randint(1, 2)):
        body = {"for_ms": rng.choice((0, 300, 4_000))}
        found.entries.append({"in_ms": rng.randrange(for_ms), "action": "restart", "body": body})


def _fees(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """The fees of an event change while it is traded."""
    event = rng.choice(tickers).rpartition("-")[0]
    body = {"event_ticker": event, "fee_type": rng.choice(FEE_TYPES), "fee_multiplier": rng.choice((0, 0.5, 1, 2))}
    found.entries.append({"in_ms": rng.randrange(for_ms), "action": "event/fees", "body": body})


def _grids(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """The price grid changes while a market is traded."""
    body = _one(tickers, rng, structure=rng.choice(STRUCTURES))
    found.entries.append({"in_ms": rng.randrange(for_ms), "action": "market/structure", "body": body})


def _terms(found: Trouble, rng: Random, tickers: list[str], for_ms: int) -> None:
    """The rules of a market change, or the contract terms of its series."""
    ticker, number = rng.choice(tickers), rng.randrange(10**6)
    action, body = rng.choice(
        (
            ("market/rules", {"ticker": ticker, "rules_primary": f"Another wording, number {number}."}),
            (
                "series/terms",
                {
                    "series_ticker": ticker.partition("-")[0],
                    "contract_terms_url": f"https://terms.invalid/{number}.pdf",
                },
            ),
        )
    )
    found.entries.append({"in_ms": rng.randrange(for_ms), "action": action, "body": body})


KINDS: dict[str, Callable[[Trouble, Random, list[str], int], None]] = {
    "answers": _answers,
    "jumps": _jumps,
    "ends": _ends,
    "pauses": _pauses,
    "actor": _actor,
    "reads": _reads,
    "restarts": _restarts,
    "fees": _fees,
    "grids": _grids,
    "terms": _terms,
}
