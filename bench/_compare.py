"""``bin/bench --compare REV NAME [options]``: the same benchmark at an earlier revision and here, in turn, and their ratios.

The revision's files are taken out of git into a folder of their own and run with this environment. Each side runs as often as the
other, one after the other, so that a busy machine does not speak for one of them; the median of each figure counts.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kalbot.common.life import die_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent
ROUNDS: Final = 3
Figures = dict[str, float]
"""Path of a figure in a benchmark's JSON, such as ``thinnest_first.orders_per_second_per_worker`` -> its value."""


def run(revision: str, name: str, options: Sequence[str]) -> int:
    """Run both and print JSON: each figure then, now, and now / then. 1 where a side fails or prints no JSON."""
    with tempfile.TemporaryDirectory(prefix="kalbot-compare-") as folder:
        try:
            _take_out(revision, Path(folder))
            then: list[Figures] = []
            now: list[Figures] = []
            for _ in range(ROUNDS):
                then.append(_measured(Path(folder), name, options))
                now.append(_measured(ROOT, name, options))
        except (subprocess.CalledProcessError, ValueError) as error:
            print(f"bin/bench: {error}", file=sys.stderr)
            return 1
    print(json.dumps({"revision": revision, "rounds": ROUNDS, "figures": compared(then, now)}, indent=2))
    return 0


def compared(then: Sequence[Figures], now: Sequence[Figures]) -> dict[str, dict[str, float | None]]:
    """The figures that both have, as medians, with now / then (None where then is nothing)."""
    shared = [path for path in then[0] if all(path in one for one in (*then, *now))]
    found: dict[str, dict[str, float | None]] = {}
    for path in shared:
        before, after = (statistics.median(one[path] for one in side) for side in (then, now))
        found[path] = {"then": before, "now": after, "ratio": round(after / before, 3) if before else None}
    return found


def figures(printed: Mapping[str, Any]) -> Figures:
    """Every number of a benchmark's JSON by its path."""
    return dict(_walk(printed, ""))


def _walk(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _take_out(revision: str, folder: Path) -> None:
    """The revision's files. ValueError if there is none of that name."""
    named = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    found = subprocess.run(named, cwd=ROOT, check=False, capture_output=True, text=True)
    if found.returncode:
        raise ValueError(f"there is no revision {revision!r} in this checkout; take a commit, a tag or a branch of it")
    packed = subprocess.run(["git", "archive", found.stdout.strip()], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _measured(folder: Path, name: str, options: Sequence[str]) -> Figures:
    """One run in ``folder``. CalledProcessError if it fails, ValueError if it prints no JSON."""
    environment = {key: value for key, value in os.environ.items() if key not in ("REDIS_URL", "KALBOT_STATE")}
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, *options],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    start = done.stdout.find("{")
    if start < 0:
        raise ValueError(f"{name} printed no JSON")
    return figures(json.loads(done.stdout[start:]))
