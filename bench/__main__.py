"""``bin/bench NAME [options]``: run one benchmark of this folder; without a name, list them.

``bin/bench --compare REV NAME [options]`` runs it at an earlier revision too and prints the ratios.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sys
import textwrap
from pathlib import Path

from bench import _compare


def names() -> dict[str, str]:
    """Benchmark name -> first line of its docstring (read without importing)."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("_"):
            continue
        text = (Path(__file__).parent / f"{module.name}.py").read_text() if not module.ispkg else ""
        if "def main(" in text:
            found[module.name] = text.split('"""')[1].strip().splitlines()[0] if '"""' in text else ""
    return found


def main(argv: list[str]) -> int:
    os.environ["KALBOT_ENV_FILE"] = ""  # a person's .env names what must not be measured
    known = names()
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: bin/bench [--compare REV] NAME [options]\n")
        width = shutil.get_terminal_size().columns
        for name, what in sorted(known.items()):
            print(textwrap.fill(what, width, initial_indent=f"  {name:<17} ", subsequent_indent=" " * 20))
        return 0
    if argv[0] == "--compare":
        if len(argv) < 3 or argv[2] not in known:
            print("bin/bench: --compare wants a revision and a benchmark", file=sys.stderr)
            return 2
        return _compare.run(argv[1], argv[2], argv[3:])
    if argv[0] not in known:
        print(f"bin/bench: there is no benchmark {argv[0]!r}; there are: {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"bench.{argv[0]}").main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
