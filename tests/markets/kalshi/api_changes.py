"""Compares a newly fetched official file with the one that we were written to: ``bin/api-changes OLD NEW``.

Lists what changed in what the client uses: the operations that it calls, the channels that it subscribes to, the shapes that it
reads, and all that these refer to. The rest is only counted. Each file is an OpenAPI or an AsyncAPI file, in YAML. Changed
descriptions are listed too, for a person to read. Exit code 1 if anything but words has changed in what is used, 2 if a file cannot
be compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from markets.kalshi.signing import Signer

from . import drift
from .test_contract import CALLS, operation_of, sent_by

Spec = dict[str, Any]

CHANNELS: Final = frozenset(
    [
        "root",
        "control_frames",
        "orderbook_delta",
        "ticker",
        "trade",
        "fill",
        "user_orders",
        "market_positions",
        "market_lifecycle_v2",
        "order_group_updates",
    ]
)
WORDS: Final = frozenset(["description", "summary", "title", "example", "examples", "tags", "externalDocs"])
NAMED: Final = frozenset(
    [
        "properties",
        "patternProperties",
        "schemas",
        "parameters",
        "responses",
        "messages",
        "headers",
        "channels",
        "operations",
        "paths",
        "securitySchemes",
        "requestBodies",
        "variables",
    ]
)
"""Keys whose own keys are names, not words of the language: a property may be called ``title``."""
WHOLE: Final = ("servers", "security", "defaultContentType", "x-error-codes")
"""Parts of a file that concern every call."""
_ABSENT: Final = object()


def routes(spec: Spec) -> set[str]:
    """Paths of the official file that the client's calls go to."""
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = Signer.from_pem("nobody", key)
    return {operation_of(sent_by(call, signer)[0], spec)[0] for _, call in CALLS}


class Changes:
    """``used``: what changed in what we use; ``words``: where its descriptions did; ``others``: how many other parts changed."""

    def __init__(self, old: Spec, new: Spec) -> None:
        self.used: list[str] = []
        self.words: list[str] = []
        self.others = 0
        roots = _roots(old)
        ours = _closure(old, roots) | _closure(new, roots)
        before, after = dict(_parts(old)), dict(_parts(new))
        for part in sorted(set(before) | set(after)):
            found: list[str] = []
            words: list[str] = []
            compare(before.get(part, _ABSENT), after.get(part, _ABSENT), part[-1], found.append, words.append)
            if part in ours:
                self.used += found
                self.words += words
            elif found:
                self.others += 1


Part = tuple[str, ...]
"""Where a part of a file lies: (section, name), or (components, section, name)."""


def _parts(spec: Spec) -> Iterator[tuple[Part, Any]]:
    for section in ("paths", "channels", "operations"):
        for name, value in (spec.get(section) or {}).items():
            yield (section, str(name)), value
    for section, named in (spec.get("components") or {}).items():
        for name, value in named.items():
            yield ("components", str(section), str(name)), value
    for section in WHOLE:
        if section in spec:
            yield (section,), spec[section]


def _roots(spec: Spec) -> set[Part]:
    """What the client uses by name. ``spec`` is the file that it was written to."""
    found: set[Part] = {("components", "schemas", name) for name, _ in drift.SHAPES + drift.FRAMES}
    found |= {(section,) for section in WHOLE}
    found |= {("channels", name) for name in CHANNELS}
    found |= {("components", "securitySchemes", name) for name in spec["components"].get("securitySchemes", ())}
    for name, operation in spec.get("operations", {}).items():
        if operation["channel"]["$ref"].rpartition("/")[2] in CHANNELS:
            found.add(("operations", name))
    return found | {("paths", path) for path in (routes(spec) if "openapi" in spec else ())}


def _closure(spec: Spec, roots: set[Part]) -> set[Part]:
    """The roots and all that they refer to."""
    parts, found, left = dict(_parts(spec)), set(roots), list(roots)
    while left:
        for reference in _references(parts.get(left.pop())):
            part = tuple(reference.removeprefix("#/").split("/"))
            part = part[: 3 if part[0] == "components" else 2]
            if part not in found:
                found.add(part)
                left.append(part)
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def compare(
    old: Any, new: Any, where: str, changed: Callable[[str], None], words: Callable[[str], None], named: bool = False
) -> None:
    """Report what was added, removed or changed, by its place; descriptions and examples to ``words``. ``named``: the keys are
    names of things."""
    if _plain(old) == _plain(new):
        return
    if old is _ABSENT or new is _ABSENT:
        changed(f"{where}: {'new' if old is _ABSENT else 'gone'}")
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            place, one, other = f"{where}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT)
            if not named and key in WORDS:
                if _plain(one) != _plain(other) and "example" not in key:
                    words(place)
            elif named or not str(key).startswith("x-"):
                compare(one, other, place, changed, words, not named and key in NAMED)
    elif isinstance(old, list) and isinstance(new, list):
        _compare_lists(old, new, where, changed, words)
    else:
        changed(f"{where}: {old!r} became {new!r}")


def _compare_lists(
    old: list[Any], new: list[Any], where: str, changed: Callable[[str], None], words: Callable[[str], None]
) -> None:
    """Lists of named things are compared by name, others as sets of values."""
    if all(isinstance(item, dict) and ("name" in item or "$ref" in item) for item in old + new):
        compare(_by_name(old), _by_name(new), where, changed, words, named=True)
        return
    before, after = ({_plain(item): item for item in items} for items in (old, new))
    for text in sorted(after.keys() - before.keys()):
        changed(f"{where}: {_short(after[text])} is new")
    for text in sorted(before.keys() - after.keys()):
        changed(f"{where}: {_short(before[text])} is gone")


def _by_name(items: Iterable[Spec]) -> Spec:
    found: Spec = {}
    for item in items:
        name = str(item.get("name") or item["$ref"].rpartition("/")[2])
        found[name if name not in found else f"{name} ({item.get('in')})"] = item
    return found


def _plain(value: Any) -> str:
    return "absent" if value is _ABSENT else json.dumps(value, sort_keys=True, default=str)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else _plain(value)[:120]


def main(arguments: list[str]) -> int:
    if arguments in (["-h"], ["--help"]):
        print(
            "usage: bin/api-changes OLD.yaml NEW.yaml\n\nWhat changed between two official API files by what the client uses."
        )
        print("Exit code 1 if something that is used changed, 2 if the files cannot be compared.")
        return 0
    if len(arguments) != 2:
        print("usage: bin/api-changes OLD.yaml NEW.yaml", file=sys.stderr)
        return 2
    try:
        old, new = (_read(name) for name in arguments)
        found = Changes(old, new)
    except OSError as error:
        print(f"{error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        print(f"the files cannot be compared: {error}", file=sys.stderr)
        return 2
    except (AttributeError, KeyError, TypeError) as error:
        print(f"a file is built in a way that is not known: {error!r}", file=sys.stderr)
        return 2
    for line in found.used:
        print(line)
    for line in found.words:
        print(f"{line}: other words")
    versions = " to ".join(str((spec.get("info") or {}).get("version", "?")) for spec in (old, new))
    counts = f"{len(found.used)} changes of what is used here, {len(found.words)} of its descriptions"
    print(f"{versions}: {counts}, {found.others} other parts changed")
    return 1 if found.used else 0


def _read(name: str) -> Spec:
    """A file of either kind. ValueError for anything else."""
    spec = yaml.load(Path(name).read_text("utf-8"), yaml.CSafeLoader)
    kinds = {kind for kind in ("openapi", "asyncapi") if isinstance(spec, dict) and kind in spec}
    if not kinds or not isinstance(spec.get("components"), dict):
        raise ValueError(f"{name} is no OpenAPI or AsyncAPI document")
    return dict(spec)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
