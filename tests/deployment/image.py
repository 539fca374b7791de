"""The Dockerfile's steps, one by one, without an engine: each stage is a folder that is mounted on /srv in a namespace of its own.

What is copied comes from the files that .dockerignore leaves. A step runs as the image would run it: its working directory, its
environment, its user, and a ``python`` that everybody may read. Needs root and Linux; a step that fails raises CalledProcessError.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = next((path for path in ("/usr/bin/python3.11", "/usr/local/bin/python3.11") if Path(path).exists()), "")
"""The interpreter of the base image, here the system's: one below a home that is nobody else's cannot be run by another user."""
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Stage:
    """One stage of the file: its folders, and what its steps have set so far."""

    folder: Path
    workdir: str = "/"
    user: str = ""
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SYSTEM_PATH})
    command: list[str] = field(default_factory=list)

    @property
    def srv(self) -> Path:
        """What is mounted on /srv."""
        return self.folder / "srv"

    @property
    def etc(self) -> Path:
        """What is mounted on /etc: users that a step adds are of the stage alone."""
        return self.folder / "etc"

    def place(self, path: str) -> Path:
        """Where a path of the image lies here. ValueError outside of /srv."""
        whole = os.path.normpath(os.path.join(self.workdir, path))
        if whole != "/srv" and not whole.startswith("/srv/"):
            raise ValueError(f"{path} is outside of /srv")
        return self.folder / whole.lstrip("/")

    def mounts(self) -> list[str]:
        """Shell commands that show the stage where the image has it; inside of a mount namespace."""
        return [
            "mount -t tmpfs none /usr/local/sbin",
            f"ln -s {PYTHON} /usr/local/sbin/python",
            f"mount --bind {self.srv} /srv",
            f"mount --bind {self.etc} /etc",
        ]


def steps(text: str) -> Iterator[tuple[str, str]]:
    """(instruction, its arguments) of a Dockerfile."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word, rest.strip()


def context(root: Path) -> list[Path]:
    """Files, from ``root``, that .dockerignore leaves: the last pattern that matches a file or a folder above it decides."""
    patterns = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    names = subprocess.run(["git", "ls-files", "-co"], cwd=root, capture_output=True, text=True, check=True).stdout
    return [
        Path(name) for name in names.splitlines() if (root / name).is_file() and not is_ignored(Path(name), patterns)
    ]


def is_ignored(path: Path, patterns: Iterable[str]) -> bool:
    """Whether these patterns leave the file out."""
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        ends = [str(one) for one in (path, *path.parents) if one.name]
        if plain.startswith("**/"):
            hit = any(fnmatch.fnmatch(part, plain[3:]) for part in path.parts)
        else:
            hit = any(fnmatch.fnmatch(one, plain) for one in ends)
        if hit:
            ignored = not pattern.startswith("!")
    return ignored


def copied(folder: Path, targets: Sequence[str]) -> dict[str, Stage]:
    """The stages with what is copied from the files, and nothing run."""
    return build(folder, targets, runs=False)


def build(folder: Path, targets: Sequence[str], *, runs: bool = True) -> dict[str, Stage]:
    """Run the file's steps until all of these stages are there; stages by name."""
    files = context(ROOT)
    stages: dict[str, Stage] = {}
    now: Stage | None = None
    for word, rest in steps((ROOT / "Dockerfile").read_text()):
        if word == "FROM":
            if all(name in stages for name in targets):
                break
            base, _, name = rest.partition(" AS ")
            now = _begun(folder / (name or "last"), stages.get(base))
            stages[name or "last"] = now
            continue
        assert now is not None, "a step before FROM"
        if runs or word != "RUN":
            _step(now, word, rest, files, stages)
    return stages


def _begun(folder: Path, base: Stage | None) -> Stage:
    if base is not None:
        shutil.copytree(base.folder, folder, symlinks=True)
        return Stage(folder, base.workdir, base.user, dict(base.environment), list(base.command))
    stage = Stage(folder)
    stage.srv.mkdir(parents=True)
    shutil.copytree("/etc", stage.etc, symlinks=True, ignore=shutil.ignore_patterns("*shadow*"))
    return stage


def _step(stage: Stage, word: str, rest: str, files: list[Path], stages: Mapping[str, Stage]) -> None:
    if word == "WORKDIR":
        stage.workdir = rest
        stage.place(".").mkdir(parents=True, exist_ok=True)
    elif word == "ENV":
        for name, value in (pair.split("=", 1) for pair in shlex.split(rest)):
            stage.environment[name] = re.sub(r"\$(\w+)", lambda found: stage.environment.get(found[1], ""), value)
    elif word == "USER":
        stage.user = "" if rest == "root" else rest
    elif word == "COPY":
        _copy(stage, rest, files, stages)
    elif word == "RUN":
        run(stage, ["sh", "-ec", rest], check=True)
    elif word == "CMD":
        stage.command = json.loads(rest)
    elif word != "EXPOSE":
        raise ValueError(f"unknown instruction {word}")


def _copy(stage: Stage, rest: str, files: list[Path], stages: Mapping[str, Stage]) -> None:
    *sources, target = [word for word in rest.split() if not word.startswith("--")]
    for source in sources:
        place = stage.place(target)
        if found := re.search(r"--from=(\w+)", rest):
            shutil.copytree(stages[found[1]].place(source), place, symlinks=True)
            continue
        named = [path for path in files if path == Path(source) or Path(source) in path.parents]
        assert named, f"COPY {source}: .dockerignore leaves nothing of it"
        for path in named:
            inside = (
                path.relative_to(source) if path != Path(source) else Path(path.name if target.endswith("/") else ".")
            )
            (place / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, place / inside)


def run(stage: Stage, command: Sequence[str], *, check: bool) -> subprocess.CompletedProcess[str]:
    """Run one command in the stage, with the machine's network: pip needs it."""
    script = "\n".join(["set -e", *stage.mounts(), f"cd {stage.workdir}", f"exec {shlex.join(command)}"])
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env={"HOME": "/tmp", **pip, **stage.environment},
        capture_output=True,
        text=True,
        check=check,
    )
