"""Trades on the twin, dumps half-way, trades on, restores the dump into another database and adopts; prints the figures as JSON.

Run by ``test_restore_drill.py`` in a process of its own, with ``DATABASE_URL`` (a migrated Postgres), ``FRESH_URL`` (an empty one) and
``REDIS_URL``. The exchange lives in this process and goes on across the restore, as the real one does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parents[2]
BEFORE, AFTER, SOLD, SETTLED = 4, 12, 3, 2
QUOTES = ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100))
LIMITS = (3_000, 3_200, 3_100)


def main(folder: str) -> dict[str, Any]:
    """The whole drill. Figures by name; ``truth`` and ``found`` are the positions before and after."""
    from django.core.management import call_command

    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.models import Discrepancy
    from trading.reconciliation import reconcile
    from trading.venues import connection

    world.active()
    world.add_profile("live", mode="live", max_open_positions=1_000, max_orders_per_minute=10_000)
    first = Twin("KXT-0")
    twins = [first, *(Twin(f"KXT-{number}", beside=first) for number in range(1, BEFORE + AFTER))]
    connection.use(first.client())
    for twin in twins:
        for bid, ask in QUOTES:
            twin.add_market([(bid, 10_000)], [(ask, 10_000)])
        twin.sync()
    reconcile.run("live", "drill")
    for twin in twins[:BEFORE]:
        _buy(twin)
    dump = _ran("bin/backup", folder, url=os.environ["DATABASE_URL"]).strip()
    bought = [_buy(twin) for twin in twins[BEFORE:]]
    for position in bought[:SOLD]:
        _sell(position)
    for twin in twins[-SETTLED:]:
        twin.finish(winner=twin.markets[1])
    reconcile.run("live", "drill")
    truth, cash = _positions(), first.cash()

    began = time.monotonic()
    _ran("bin/restore", dump, url=os.environ["FRESH_URL"])
    restored = time.monotonic()
    _use_database(os.environ["FRESH_URL"])
    dumped = len(_positions())
    said = StringIO()
    call_command("adopt", stdout=said)
    shown = len(_positions())
    call_command("adopt", confirm=True, reason="drill", stdout=said)
    adopted = time.monotonic()
    call_command("adopt", confirm=True, reason="drill", stdout=said)
    call_command("reconcile", stdout=said)
    return {
        "dumped": dumped,
        "shown": shown,
        "adopted": len(_positions()) - dumped,
        "truth": truth,
        "found": _positions(),
        "cash_on_the_exchange": cash,
        "cash_in_our_books": _cash(),
        "open_differences": Discrepancy.objects.filter(resolved_at=None).count(),
        "said": said.getvalue().splitlines()[-4:],
        "seconds": {"restore": round(restored - began, 1), "adopt": round(adopted - restored, 1)},
    }


def _buy(twin: Any) -> int:
    from strategies.models import Profile
    from tests.trading import world
    from trading.execution import executor
    from trading.models import Denial

    profile = Profile.objects.get(name="live")
    twin.sync()  # prices are of now, however long the dump took
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    position = executor.execute(decision.pk)
    assert position is not None, list(Denial.objects.values_list("code", "detail"))
    assert position.status == "open"
    return position.pk


def _sell(position: int) -> None:
    from trading.closing import exits
    from trading.execution import executor

    exits.request_exit(position_id=position, actor="ann", reason="drill", below_floor="it is a drill")
    assert executor.step(position).status == "closed"


def _positions() -> list[list[Any]]:
    """What every position holds, cost and brought, by event."""
    from trading.models import Position

    columns = ("event", "kind", "status", "matched_count", "cost", "fees", "proceeds", "payout", "realised", "grade")
    return [list(row) for row in Position.objects.order_by("event").values_list(*columns)]


def _cash() -> int:
    from strategies.models import Profile
    from trading.accounting import accounts, audit, balance_check
    from trading.models import ExchangeAccount

    profiles = list(Profile.objects.filter(mode="live"))
    assert all(audit.totals(one) == [] and balance_check.summary(one)["difference"] == 0 for one in profiles)
    assert audit.positions("live") == []
    return accounts.expected_cash(ExchangeAccount.objects.get(), profiles)


def _ran(*command: str, url: str) -> str:
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _use_database(url: str) -> None:
    """Let this process go on with another database of the same server."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = url.partition("?")[0].rpartition("/")[2]


if __name__ == "__main__":
    django.setup()
    from kalbot.common import clock

    clock.sleep = lambda seconds: None
    print(json.dumps(main(sys.argv[1])))
