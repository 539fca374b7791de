"""Exports of 100,000 fills: time, time to the first byte and memory of each file of the exports page, and of a list in each format."""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.console import prepare


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench exports", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="fills (default %(default)s)")
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="on which it is measured (default %(default)s)",
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as name:
        stops = prepare(Path(name), options.database == "postgres")
        try:
            print(json.dumps(measure(options), indent=1))
        finally:
            for stop in reversed(stops):
                stop()
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Fill one profile's tables, then download each file in a process of its own, whose memory is its peak."""
    from django.contrib.auth.models import User
    from django.db import connection

    from bench import console_rows
    from kalbot.common import clock
    from strategies.models import Mode, Profile

    profile = Profile.objects.filter(mode=Mode.SIM).order_by("pk").values_list("pk", "mode")[0]
    console_rows.catalogue(options.orders // 10 * 8)
    console_rows.traded(options.orders // 10, options.orders, [profile])
    User.objects.create_superuser("bench")
    year, mode = clock.now().year, profile[1]
    files = {
        f"exports page, {kind}": f"/admin/exports/download/?kind={kind}&mode={mode}&year={year}"
        for kind in ("fills", "tax", "totals", "exchange", "ledger")
    }
    lists = {
        f"list of {model}, {name}": (f"/admin/trading/{model}/export/", str(place))
        for model in ("order", "fill")
        for place, name in enumerate(("CSV", "TSV", "JSON"))
    }
    connection.close()
    found = {name: _alone(address, None) for name, address in files.items()}
    found |= {name: _alone(address, form) for name, (address, form) in lists.items()}
    return {"database": connection.vendor, "orders": options.orders, "load": os.getloadavg()[0], "files": found}


def _alone(address: str, form: str | None) -> dict[str, Any]:
    """What one download takes, in a child: memory that a process has had is never given back."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writes, "w") as out:
            json.dump(_download(address, form), out)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        found = json.load(answer)
    os.waitpid(child, 0)
    return dict(found)


def _download(address: str, form: str | None) -> dict[str, Any]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username="bench"))
    client.get("/admin/exports/")  # what the first request of a process loads is no part of a file
    before, began, worked = _memory_mb(), time.perf_counter(), time.process_time()
    answer = client.get(address) if form is None else client.post(address, _all_columns(client, address, form))
    if answer.status_code != 200:
        raise SystemExit(f"{address} answers {answer.status_code}")
    first, size, lines = 0.0, 0, 0
    for part in _parts(answer):
        first = first or time.perf_counter() - began
        size += len(part)
        lines += part.count(b"\n")
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "processor_s": round(time.process_time() - worked, 2),
        "first_byte_s": round(first, 2),
        "peak_mb_more": round(_memory_mb() - before),
        "mb": round(size / 1e6, 1),
        "lines": lines,
    }


def _all_columns(client: Any, address: str, form: str) -> dict[str, str]:
    """The list's own form with every column chosen."""
    shown = client.get(address).content.decode()
    boxes = [tag for tag in re.findall(r"<input[^>]*>", shown) if 'type="checkbox"' in tag]
    return {"format": form, "resource": "0"} | {re.findall(r'name="([^"]+)"', tag)[0]: "on" for tag in boxes}


def _parts(answer: Any) -> Iterator[bytes]:
    yield from answer.streaming_content if answer.streaming else (answer.content,)


def _memory_mb() -> float:
    """The most that this process has had so far. A child's own begins where its parent was."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024
