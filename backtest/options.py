"""What one run is: a tape, a time, a profile, and what is assumed about the world that the tape does not show."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import CharField, Field, JSONField, TextField

from kalbot.common.errors import KalbotError
from markets.terms.rules_file import PUBLIC
from strategies.models import Kind, Mode, Profile
from strategies.profiles import seeds
from trading.venues.queues import QueueModel
from trading.venues.replay import Latency

DEFAULT_LATENCY: Final = Latency(20, 30, 60)
"""Around the setting of paper trading, which has one number; ``--latency`` states your own."""
WHOLE: Final = ""
"""The key of the cash of an account without shards."""
_GIVEN: Final = ("id", "shadow_of_id", "created_at", "updated_at")
"""Columns that the database gives."""
_NAMES: Final = ("categories", "kinds", "series_exclude", "series_include")
"""Columns that list names."""
_SETTABLE: Final = {one.attname: one for one in Profile._meta.concrete_fields if one.attname not in _GIVEN}
_USUAL: Final = (DEFAULT_LATENCY.p10, DEFAULT_LATENCY.p50, DEFAULT_LATENCY.p90)


class BadOption(KalbotError):
    """An option that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """``start_ns`` and ``end_ns`` bound the receive times that are replayed. ``touch_size``: see Feed, 1/100 contract."""

    tape: Path
    profile: dict[str, Any]
    start_ns: int = 0
    end_ns: int = 2**63
    seed: int = 1
    latency: Latency = DEFAULT_LATENCY
    queue: QueueModel = QueueModel.REALISTIC
    touch_size: int = 0
    rules: tuple[Path, ...] = ()
    """Files of rules texts for events that were recorded without (``markets.terms.rules_file``)."""
    fees: str = ""
    """Fee type, at multiplier 1, of series whose fees were not recorded; empty: nothing is traded on them."""
    fee_ppm: int = 1_000_000
    """Every recorded fee multiplier times this, in millionths: what higher or lower fees would have left."""
    cycle_seconds: int = 3
    """Beat's interval. What is near to paying is evaluated at every change besides."""
    beside: tuple[dict[str, Any], ...] = ()
    """Further profiles that trade on the same account (``together``): one exchange, one account's cash, one another's purchases."""
    cash: dict[str, int] = field(default_factory=dict)
    """What the account of profiles that trade together has, micro-dollars by shard ("" without shards); empty: their capital."""

    @property
    def profiles(self) -> tuple[dict[str, Any], ...]:
        """The columns of every profile of the run."""
        return (self.profile, *self.beside)

    @property
    def name(self) -> str:
        """Of the profile, or of all."""
        return " + ".join(str(one.get("name", "")) for one in self.profiles)

    def changed(self, **changes: Any) -> Options:
        """The same with other profile columns."""
        return replace(self, profile=self.profile | changes)

    def document(self) -> dict[str, Any]:
        """For JSON; ``from_document`` reads it. ``tape``: the folder's name, for people."""
        return {
            "tape": self.tape.name,
            "folder": str(self.tape.resolve()),
            "from_ns": self.start_ns,
            "to_ns": self.end_ns,
            "seed": self.seed,
            "latency_ms": [self.latency.p10, self.latency.p50, self.latency.p90],
            "queue": self.queue.value,
            "touch_size": self.touch_size,
            "rules": [str(path.resolve()) for path in self.rules],
            "fees": self.fees,
            "fee_ppm": self.fee_ppm,
            "cycle_seconds": self.cycle_seconds,
            "profile": _document(self.profile),
            "beside": [_document(one) for one in self.beside],
            "cash": self.cash,
        }


def _document(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sorted(columns.items()) if not callable(value)}


def together(runs: Sequence[Options], cash: dict[str, int] | None = None) -> Options:
    """The profiles of ``runs``, which differ in nothing else, on one account. A profile that names no subaccount trades on the primary
    one."""
    first, *others = [{"subaccount": 0, **run.profile} for run in runs]
    names = [str(columns["name"]) for columns in (first, *others)]
    if len(set(names)) < len(names):
        raise BadOption("profiles that trade together need names of their own")
    return replace(runs[0], profile=first, beside=tuple(others), cash=dict(cash or {}))


def from_document(kept: dict[str, Any]) -> Options:
    """The options of a kept document. Raises BadOption for one that names no folder, as runs kept by earlier versions."""
    if "folder" not in kept:
        raise BadOption("this run was kept without the folder of its tape")
    return Options(
        tape=Path(kept["folder"]),
        profile=checked(kept["profile"]),
        start_ns=kept["from_ns"],
        end_ns=kept["to_ns"],
        seed=kept["seed"],
        latency=Latency(*kept.get("latency_ms", _USUAL)),
        queue=QueueModel(kept.get("queue", QueueModel.REALISTIC)),
        touch_size=kept.get("touch_size", 0),
        rules=tuple(Path(name) for name in kept.get("rules", ())),
        fees=kept.get("fees", ""),
        fee_ppm=kept.get("fee_ppm", 1_000_000),
        cycle_seconds=kept.get("cycle_seconds", 3),
        beside=tuple(checked(one) for one in kept.get("beside", ())),
        cash=kept.get("cash", {}),
    )


def profile_columns(name_or_file: str, settings: list[str]) -> dict[str, Any]:
    """The columns of a profile: a stored or seeded one by name, or a TOML file; then each ``name=value`` of ``settings``.

    A profile is always replayed in mode sim. Raises BadOption for what is no column or no value of it.
    """
    columns = _named(name_or_file)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise BadOption(f"{setting!r} is not name=value")
        columns[name.strip()] = _value(name.strip(), text.strip())
    return checked(columns)


def _named(name_or_file: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    if name_or_file.endswith(".toml"):
        return _from_file(Path(name_or_file), above)
    try:
        return columns_of(seeds.find(name_or_file))
    except seeds.NoSuchProfile as error:
        raise BadOption(str(error)) from None


def rules_files(names: Sequence[str]) -> tuple[Path, ...]:
    """The files of ``--rules``; ``public``: the texts that come with the program."""
    return tuple(PUBLIC if name == "public" else Path(name) for name in names)


def columns_of(profile: Profile) -> dict[str, Any]:
    """What a stored profile would be made of, without its keys."""
    left_out = {"id", "shadow_of_id", "subaccount", "created_at", "updated_at", "is_active", "mode"}
    return {f.attname: getattr(profile, f.attname) for f in Profile._meta.concrete_fields if f.attname not in left_out}


def checked(columns: dict[str, Any]) -> dict[str, Any]:
    """The columns in mode sim, each valid by the model and exactly what was given: nothing is rounded. Raises BadOption."""
    unknown = sorted(columns.keys() - _SETTABLE.keys())
    if unknown:
        raise BadOption(f"a profile has no {', '.join(unknown)} to be set")
    columns = {**columns, "mode": Mode.SIM.value, "is_active": True}
    columns = {name: _exact(_SETTABLE[name], value) for name, value in columns.items()}
    unknown = sorted(set(map(str, columns.get("kinds") or ())) - set(Kind))
    if unknown:
        raise BadOption(f"kinds: there is no {', '.join(unknown)}")
    return columns


def _exact(column: Field[Any, Any], value: Any) -> Any:
    """``value`` as the column holds it. Raises BadOption where that would be another one: 1.5 is no whole number, true is none either."""
    name = column.attname
    if callable(value) or (value is None and column.null):
        return value
    if isinstance(column, JSONField):
        if not isinstance(value, list | tuple) or (name in _NAMES and not all(isinstance(one, str) for one in value)):
            raise BadOption(f"{name}: {value!r} is no list of names")
        return value
    if value == "" and column.blank and isinstance(column, CharField | TextField):
        return value
    try:
        found = column.clean(value, Profile())
    except ValidationError as error:
        raise BadOption(f"{name}: {' '.join(error.messages)}") from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BadOption(f"{name}: {value!r} is no value of it ({error})") from None
    if found != found:  # NaN, which nothing can be compared with
        raise BadOption(f"{name}: {value!r} is no value of it (it is no number)")
    if isinstance(value, str) or isinstance(column, CharField | TextField):
        return found
    if found != value or isinstance(found, bool) != isinstance(value, bool):
        raise BadOption(f"{name}: {value!r} is no value of it (it would be taken as {found!r})")
    return found


def _from_file(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """``above``: the files that name it as their base, one after the other."""
    try:
        columns = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadOption(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise BadOption(f"{path} is no text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise BadOption(f"{path}: {error}") from None
    base = columns.pop("base", "")
    if not isinstance(base, str):
        raise BadOption(f"{path}: its base {base!r} is no name of a profile")
    if path in above:
        raise BadOption(f"{path} is its own base")
    found = checked(_named(base, (*above, path))) if base else {}
    return found | {"name": path.stem} | columns


def _value(name: str, text: str) -> Any:
    """A value of the command line: as TOML reads it, else as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
