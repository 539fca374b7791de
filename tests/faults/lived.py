"""What people and results do while a basket is bought, completed, unwound or sold, on top of any schedule.

Markets end one after the other in the middle of things, some with a result that is corrected later; a person requests exits whatever the
position is at, changes them and takes them back; halts are set and lifted; a profile is edited and switched off; money comes and goes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from markets.models import Market
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from trading import sweeper
from trading.closing import exit_preview, exits, settlement
from trading.denials import Denied
from trading.models import TERMINAL, Position
from trading.reconciliation import inbox, reconcile
from trading.safety import halt

if TYPE_CHECKING:
    from tests.faults.harness import Run

ACTS: Final = (
    "result",
    "result",
    "result",
    "wrong_result",
    "corrected",
    "settle",
    "settle",
    "exit",
    "exit",
    "exit_at",
    "take_back",
    "halted",
    "reducing",
    "active",
    "active",
    "edited",
    "off",
    "deposit",
    "withdrawal",
)


BESIDE: Final = (
    *(what for what in ACTS if what != "settle"),
    "advised",
    "by_rest",
    "settled",
    "settled",
    "swept",
    "swept",
    "compared",
    "received",
)
"""What happens in the midst of a step: people, results, other workers."""


def draw_acts(seed: int) -> dict[int, tuple[str, ...]]:
    """What is done in each round of a run."""
    rng = random.Random(f"lived {seed}")
    return {number: tuple(rng.choices(ACTS, k=rng.choice((0, 1, 1, 2, 3)))) for number in range(8)}


def act(run: Run, number: int) -> None:
    """What people and the exchange do in a round."""
    rng = random.Random(f"acts {run.plan.seed} {number}")
    for what in run.harsh.acts.get(number, ()):
        run.note(f"somebody: {what}")
        _ACTS[what](run, rng)


def draw_beside(seed: int) -> dict[int, str]:
    """What somebody or another worker does at which boundary of a step, while the worker of that step waits for an answer."""
    rng = random.Random(f"beside {seed}")
    return {rng.randrange(1, 140): rng.choice(BESIDE) for _ in range(rng.choice((1, 2, 4, 7)))}


def act_beside(run: Run, number: int, what: str) -> None:
    """Do it. Nobody else dies meanwhile."""
    run.note(f"beside it: {what}")
    run.disturbed = True
    if what in _WORK:
        _WORK[what](run)
    else:
        _ACTS[what](run, random.Random(f"beside {run.plan.seed} {number}"))


def true_result(run: Run, ticker: str) -> str:
    """The first outcome of each event wins."""
    return "yes" if any(ticker == twin.markets[0] for twin in run.twins) else "no"


def correct_all(run: Run) -> None:
    """Each result that was wrong is put right at last: what had won first, so that no event ever has two winners."""
    for ticker in sorted(run.wrong, key=lambda ticker: run.twin.exchange.markets[ticker].result, reverse=True):
        _correct(run, ticker)


def _result(run: Run, rng: random.Random, *, wrong: bool = False) -> None:
    """One market ends. A result that is wrong is one that the exchange takes back later."""
    twin = rng.choice(run.twins)
    going = [t for t in twin.markets if run.twin.exchange.markets[t].status in ("active", "inactive")]
    if not going or run.plan.ending == "scalar":
        return
    ticker = rng.choice(going)
    result = true_result(run, ticker)
    result = {"yes": "no", "no": "yes"}[result] if wrong else result
    if result == "yes" and any(run.twin.exchange.markets[t].result == "yes" for t in twin.markets):
        return  # of an exclusive event the exchange calls one at a time the winner
    if wrong:
        run.wrong.add(ticker)
    twin.settle(ticker, result)
    if run.plan.mode == "sim":
        Market.objects.filter(ticker=ticker).update(
            status="finalized", result=result, settlement_value_e6=world.DOLLAR if result == "yes" else 0
        )
    run.disturbed = True


def _wrong_result(run: Run, rng: random.Random) -> None:
    _result(run, rng, wrong=True)


def _corrected(run: Run, rng: random.Random) -> None:
    if run.wrong and rng.random() < 0.5:
        correct_all(run)


def _correct(run: Run, ticker: str) -> None:
    run.wrong.discard(ticker)
    (twin,) = [twin for twin in run.twins if ticker in twin.markets]
    twin.correct(ticker, true_result(run, ticker))
    run.note(f"corrected: {ticker}")


def _settle(run: Run, rng: random.Random) -> None:
    with run.mortal.life():
        settlement.run()


def _exit(run: Run, rng: random.Random, *, at_prices: bool = False) -> None:
    words = rng.choice(("", "", "less than the floor is accepted"))
    for position in Position.objects.exclude(status__in=TERMINAL):
        prices = None
        try:
            if at_prices:
                seen = exit_preview.preview(position)
                prices = {(one.leg.market_id, one.leg.side): rng.choice((1, 100, 3_000, 9_000)) for one in seen.legs}
            exits.request_exit(
                position_id=position.pk,
                actor="person",
                reason="changed my mind",
                least_prices=prices,
                below_floor=words,
            )
        except Denied as refused:
            run.note(f"exit refused: {refused}")


def _exit_as(run: Run, **said: Any) -> None:
    for position in Position.objects.exclude(status__in=TERMINAL):
        try:
            exits.request_exit(position_id=position.pk, reason="in the midst", **said)
        except Denied as refused:
            run.note(f"exit refused: {refused}")


def _exit_at(run: Run, rng: random.Random) -> None:
    _exit(run, rng, at_prices=True)


def _take_back(run: Run, rng: random.Random) -> None:
    for position in Position.objects.exclude(status__in=TERMINAL):
        exits.withdraw(position.pk, actor="person", reason="not after all")


def _state(state: str) -> None:
    halt.set_state(state=state, actor="person", reason="I said so")


def _edited(run: Run, rng: random.Random) -> None:
    """Limits change while it is at work; never a larger budget than it had, which is what the end is measured by."""
    Profile.objects.filter(pk=run.profile.pk).update(
        on_partial=rng.choice(("unwind_on_partial", "hold_and_complete")),
        complete_seconds=rng.choice((1, 5, 30)),
        capital=rng.choice((5, 1_000)) * world.DOLLAR,
        max_open_positions=rng.choice((1, 5)),
    )


def _off(run: Run, rng: random.Random) -> None:
    Profile.objects.filter(pk=run.profile.pk).update(is_active=rng.random() < 0.5)


def _moved(run: Run, amount: int) -> None:
    what = "deposit" if amount > 0 else "withdrawal"
    second_actor.fund(run.twin.exchange, what, (0, run.twin.shard), abs(amount) * world.DOLLAR)
    run.funded += amount * world.DOLLAR


_ACTS: Final[dict[str, Callable[[Run, random.Random], None]]] = {
    "result": _result,
    "wrong_result": _wrong_result,
    "corrected": _corrected,
    "settle": _settle,
    "exit": _exit,
    "exit_at": _exit_at,
    "take_back": _take_back,
    "advised": lambda run, rng: _exit_as(run, actor="triage", source="triage"),
    "by_rest": lambda run, rng: _exit_as(run, actor="person", by_rest=True, below_floor="whatever it brings"),
    "halted": lambda run, rng: _state("halted"),
    "reducing": lambda run, rng: _state("reducing"),
    "active": lambda run, rng: _state("active"),
    "edited": _edited,
    "off": _off,
    "deposit": lambda run, rng: _moved(run, 50),
    "withdrawal": lambda run, rng: _moved(run, -1),
}

_WORK: Final[dict[str, Callable[[Run], object]]] = {
    "settled": lambda run: settlement.run(),
    "swept": lambda run: sweeper.sweep(),
    "compared": lambda run: reconcile.run(run.plan.mode, "schedule"),
    "received": lambda run: inbox.apply_waiting(),
}
