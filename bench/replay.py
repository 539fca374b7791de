"""Replay: a day of 400 events through the whole product, against an earlier revision and against other people's engines.

``bin/bench replay [--snapshots] [--tape FOLDER] [--announced N] [--longer 4,12] [--against REVISION] [--peers PYTHON]``. The tape is
made here: temperature events with six markets whose rules are read, so that every event is judged; each has one change of a level a second,
and of those changes ``--moves`` move a best price. The sums of the bids lie just below a dollar, as they do on the exchange, so that
everything is a near miss, which takes the most work. ``--snapshots`` has the best prices of every market once a minute instead, with sizes,
as who asks for all markets gets them. ``--tape`` replays a recording instead, and says how many times as fast as the hours passed of which
it has something. ``--announced`` says of so many markets a minute that they trade, as a day does on which many open and end. ``--longer``
replays tapes so many times as long besides, and says the most memory that each took. ``--against`` replays the same tape with the code of
another revision (in a git worktree). ``--peers`` is a Python that has flumine or nautilus_trader.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

EVENTS: Final = 400
BIDS: Final = (4, 12, 34, 30, 12, 3)
"""Best YES bids of an event's markets, cents."""
STRIKES: Final = (("less", None, 80), *(("between", low, low + 1) for low in (80, 82, 84, 86)), ("greater", 87, None))
FIRST_DAY: Final = date(2026, 8, 12)
WORDS: Final = {"less": "less than {1}\u00b0", "greater": "greater than {0}\u00b0", "between": "between {0}-{1}\u00b0"}
NAMES: Final = {"less": "79\u00b0 or below", "greater": "88\u00b0 or above", "between": "{0}\u00b0 to {1}\u00b0"}
RUN: Final = """
import json, re, sys, time, django
django.setup()
from pathlib import Path
from backtest.replay import session
from tests.backtest.tapes import options
began = time.process_time()
found = session.run(options(Path(sys.argv[1])))
print(json.dumps({"seconds": time.process_time() - began, "records": found.records, "decisions": found.decisions,
    "events": found.events, "not judged": found.unjudged, "fingerprint": found.fingerprint,
    "most memory, MiB": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024}))
"""
"""What replays the tape, in whichever revision it is run: processor seconds of the run, without the start of the process."""


def main(argv: Sequence[str] = ()) -> int:
    """Run everything, print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench replay", description=__doc__)
    parser.add_argument("--minutes", type=int, default=20, help="length of the tape (default %(default)s)")
    parser.add_argument(
        "--moves", type=float, default=0.2, help="share of the changes that move a best price (default %(default)s)"
    )
    parser.add_argument("--announced", type=int, default=0, help="lifecycle messages a minute")
    parser.add_argument("--snapshots", action="store_true", help="best prices once a minute instead of every change")
    parser.add_argument("--tape", type=Path, help="folder of a recording that is replayed instead")
    parser.add_argument("--longer", type=_numbers, default=(), help="how many times as long, such as 4,12")
    parser.add_argument("--against", default="", help="a revision that git knows")
    parser.add_argument("--peers", type=Path, help="a Python with flumine or nautilus_trader")
    options = parser.parse_args(argv)
    import django

    django.setup()
    with tempfile.TemporaryDirectory() as folder:
        found = _measured(options, Path(folder))
    if options.peers:
        script = Path(__file__).with_name("replay_peers.py")
        answer = subprocess.run([options.peers, script], check=True, capture_output=True, text=True)
        found["peers, one process, changes of a level a second"] = json.loads(answer.stdout.splitlines()[-1])
    print(json.dumps(found, indent=2))
    return 0


def _measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from markets.tape.reader import Tape

    found: dict[str, Any] = {}
    if options.tape:
        tape = options.tape.resolve()
        minutes = round(sum(end - begin for begin, end in Tape.open(tape).spans()) / 60e9)
        found |= {"tape": tape.name, "minutes that it has": minutes}
    else:
        tape, minutes = folder / "tape", options.minutes
        _made(options, tape, minutes)
        found |= {"events": EVENTS, "minutes": minutes, "announced a minute": options.announced}
        found |= {"prices": "once a minute"} if options.snapshots else {"share of moves": options.moves}
    now = found["now"] = _replayed(Path.cwd(), tape, minutes)
    if options.against:
        before = found[options.against] = _of_revision(options.against, tape, minutes)
        found["ratio"] = round(now["times real time"] / before["times real time"], 2)
        found["same decisions"] = now["fingerprint"] == before["fingerprint"]
    for times in () if options.tape else options.longer:
        longer = folder / f"tape{times}"
        _made(options, longer, minutes * times)
        found[f"{times} times as long"] = _replayed(Path.cwd(), longer, minutes * times)
    return found


def _made(options: argparse.Namespace, tape: Path, minutes: int) -> None:
    if options.snapshots:
        passes(tape, minutes)
    else:
        day(tape, minutes, options.moves, options.announced)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def day(folder: Path, minutes: int, moves: float, announced: int = 0) -> None:
    """Write the tape."""
    from tests.backtest.tapes import Recorder

    numbers, tape = random.Random(2), Recorder()
    tape.opened(0)
    events = [_listed(tape, number) for number in range(EVENTS)]
    for event in events:
        for leg, bid in enumerate(BIDS):
            yes = [(f"{price / 100:.4f}", "500.00") for price in range(bid, max(0, bid - 3), -1)]
            no = [(f"{price / 100:.4f}", "500.00") for price in range(98 - bid, 95 - bid, -1)]
            tape.book(1, f"{event}-L{leg}", yes, no)
    sizes: dict[str, int] = {}
    raised: set[str] = set()
    for second in range(2, minutes * 60):
        for number, event in enumerate(events):
            leg = numbers.randrange(len(BIDS))
            ticker, at = f"{event}-L{leg}", second + number / EVENTS
            if numbers.random() < moves:
                change = -100 if ticker in raised else 100
                raised ^= {ticker}
                tape.delta(at, ticker, "yes", f"{(BIDS[leg] + 1) / 100:.4f}", f"{change}.00")
            else:
                change = 10 if sizes.get(ticker, 500) < 400 or numbers.random() < 0.5 else -10
                sizes[ticker] = sizes.get(ticker, 500) + change
                tape.delta(at, ticker, "yes", f"{BIDS[leg] / 100:.4f}", f"{change}.00")
        for number in range(announced * (second + 1) // 60 - announced * second // 60):
            event = events[numbers.randrange(EVENTS)]
            tape.lifecycle(second + 1, f"{event}-L{number % len(BIDS)}", "activated")
    tape.write(folder)


def passes(folder: Path, minutes: int) -> None:
    """Write a tape of the best prices of every market once a minute. A fifth of them have moved by a cent since."""
    from markets.tape.records import Kind
    from markets.tape.store import json_record
    from tests.backtest.tapes import SECOND, START, Recorder

    numbers, tape = random.Random(3), Recorder()
    events = [_listed(tape, number) for number in range(EVENTS)]
    for minute in range(minutes):
        for number, event in enumerate(events):
            at = START + minute * 60 * SECOND + number * SECOND // EVENTS
            for leg, bid in enumerate(BIDS):
                yes = bid + (numbers.random() < 0.2)
                content = {"yes_bid_dollars": f"{yes / 100:.4f}", "no_bid_dollars": f"{(98 - bid) / 100:.4f}"}
                sizes = {f"{side}_bid_size_fp": f"{numbers.randrange(100, 900)}.00" for side in ("yes", "no")}
                tape.records.append(json_record(at, Kind.QUOTE, f"{event}-L{leg}", content | sizes))
    tape.write(folder)


def _listed(tape: Any, number: int) -> str:
    """One more event on the tape: its ticker."""
    from markets.tape.imports.listing import market
    from markets.tape.imports.source import iso
    from tests.backtest.tapes import START
    from tests.markets.terms.wording import WEATHER_NOTE, WEATHER_RULE

    at = FIRST_DAY + timedelta(days=number)
    event = f"KXHIGHNY-{at:%y%b%d}".upper()
    ends = iso(START + 86_400 * 10**9)
    rule = WEATHER_RULE.replace("July 16, 2026", f"{at:%B} {at.day}, {at.year}")
    markets = []
    for leg, (kind, low, high) in enumerate(STRIKES):
        strikes = {"strike_type": kind, "floor_strike": low, "cap_strike": high}
        listed = market(
            f"{event}-L{leg}",
            name=NAMES[kind].format(low, high),
            strikes=strikes,
            times={"close_time": ends, "expected_expiration_time": ends},
        )
        listed["rules_primary"] = rule.format(WORDS[kind].format(low, high))
        listed["rules_secondary"] = WEATHER_NOTE
        markets.append(listed)
    tape.listed(0, event, markets)
    return event


def _replayed(tree: Path, tape: Path, minutes: int) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "-c", RUN, str(tape)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tree,
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "kalbot.settings", "PYTHONPATH": str(tree)},
    )
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    found["times real time"] = round(minutes * 60 / found["seconds"], 1)
    found["records a second"] = round(found["records"] / found["seconds"])
    return found


def _of_revision(revision: str, tape: Path, minutes: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", tree, revision], check=True)
        try:
            return _replayed(tree, tape, minutes)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
