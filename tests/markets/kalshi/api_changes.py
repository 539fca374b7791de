"""Compares a newly fetched official file with the one that we were written to: ``bin/api-changes OLD NEW``.

Lists what changed in the operations that the client calls and in the schemas that it reads; the rest is only counted. Each
file is an OpenAPI or an AsyncAPI file, in YAML. Exit code 1 if anything that we use has changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from markets.kalshi.signing import Signer

from . import drift
from .test_contract import CALLS, operation_of, sent_by

Spec = dict[str, Any]

_DEEPEST = 12


def routes(spec: Spec) -> set[str]:
    """Paths of the official file that the client's calls go to."""
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = Signer.from_pem("nobody", key)
    return {operation_of(sent_by(call, signer)[0], spec)[0] for _, call in CALLS}


def changes(old: Spec, new: Spec) -> tuple[list[str], int]:
    """(what changed by what we use, how many other operations and schemas changed)."""
    used, others = _operations(old, new)
    names = {name for name, _ in drift.SHAPES + drift.FRAMES}
    theirs, mine = new.get("components", {}).get("schemas", {}), old.get("components", {}).get("schemas", {})
    for name in sorted(set(theirs) | set(mine)):
        found = differences(mine.get(name), theirs.get(name), name)
        if name in names:
            used += found
        elif found:
            others += 1
    return used, others


def _operations(old: Spec, new: Spec) -> tuple[list[str], int]:
    used: list[str] = []
    others = 0
    ours = routes(old) if "openapi" in old else set()
    before, after = old.get("paths", {}), new.get("paths", {})
    for path in sorted(set(before) | set(after)):
        found = differences(before.get(path), after.get(path), path)
        if path in ours:
            used += found
        elif found:
            others += 1
    return used, others


def differences(old: Any, new: Any, where: str, depth: int = 0) -> list[str]:
    """What was added, removed or changed, by its place. Descriptions and examples are words, not changes."""
    if old == new or depth > _DEEPEST:
        return []
    if old is None or new is None:
        return [f"{where}: {'new' if old is None else 'gone'}"]
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted((set(old) | set(new)) - {"description", "summary", "example", "examples", "title", "tags"})
        return [
            text
            for key in keys
            for text in differences(old.get(key), new.get(key), f"{where}.{key}", depth + 1)
            if not key.startswith("x-")
        ]
    if isinstance(old, list) and isinstance(new, list):
        return _list_differences(old, new, where, depth)
    return [f"{where}: {old!r} became {new!r}"]


def _list_differences(old: list[Any], new: list[Any], where: str, depth: int) -> list[str]:
    """Lists of named things are compared by name, others as sets of values."""
    if all(isinstance(item, dict) for item in old + new):
        named = [{str(item.get("name") or item.get("$ref") or n): item for n, item in enumerate(x)} for x in (old, new)]
        return differences(named[0], named[1], where, depth)
    before, after = {str(item) for item in old}, {str(item) for item in new}
    return [f"{where}: {item} is new" for item in sorted(after - before)] + [
        f"{where}: {item} is gone" for item in sorted(before - after)
    ]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: bin/api-changes OLD.yaml NEW.yaml", file=sys.stderr)
        return 2
    try:
        old, new = (yaml.load(Path(name).read_text("utf-8"), yaml.CSafeLoader) for name in arguments)
    except (OSError, yaml.YAMLError) as error:
        print(f"a file cannot be read: {error}", file=sys.stderr)
        return 2
    if not isinstance(old, dict) or not isinstance(new, dict):
        print("a file is no OpenAPI or AsyncAPI document", file=sys.stderr)
        return 2
    used, others = changes(old, new)
    for line in used:
        print(line)
    versions = " to ".join(str(spec.get("info", {}).get("version", "?")) for spec in (old, new))
    print(f"{versions}: {len(used)} changes of what is used here, {others} other operations and schemas changed")
    return 1 if used else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
