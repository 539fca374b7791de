"""Sim and live never mix: the database itself refuses a row whose mode is not its profile's (or its parent's), and a profile keeps the
subaccount on which it has something open.

Triggers, because a check constraint cannot read another table. They are taken away before every ``migrate`` and put
back after it: SQLite remakes tables on migration, which would drop them or stumble over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import connections
from django.db.models import F, Sum

from strategies.models import Profile
from trading.models import ACTIVE, OPEN_ORDERS, CapitalChange, Leg, Order, Position

GUARDED: Final = (
    ("strategies_decision", "profile_id", "strategies_profile"),
    ("trading_position", "profile_id", "strategies_profile"),
    ("trading_order", "profile_id", "strategies_profile"),
    ("trading_order", "position_id", "trading_position"),
    ("trading_fill", "order_id", "trading_order"),
    ("trading_ledgertransaction", "profile_id", "strategies_profile"),
    ("trading_profilebalance", "profile_id", "strategies_profile"),
)
"""(table, column that leads to the parent, parent whose mode it must have)."""

USED_PROFILE: Final = "mode_of_a_used_profile"
USED_TEXT: Final = "a profile that has traded keeps its mode; make another profile"

OPEN_PROFILE: Final = "subaccount_of_an_open_profile"
OPEN_TEXT: Final = "a profile with something open keeps its subaccount; end its positions first"
_ACTIVE: Final = ", ".join(f"'{status.value}'" for status in ACTIVE)
_OPEN: Final = ", ".join(f"'{status.value}'" for status in OPEN_ORDERS)
IS_OPEN: Final = (
    f"(EXISTS (SELECT 1 FROM trading_position WHERE profile_id = OLD.id AND status IN ({_ACTIVE})) "
    f"OR EXISTS (SELECT 1 FROM trading_order WHERE profile_id = OLD.id AND status IN ({_OPEN})) "
    "OR EXISTS (SELECT 1 FROM trading_leg l JOIN trading_position p ON p.id = l.position_id "
    "WHERE p.profile_id = OLD.id AND l.bought_count > l.sold_count + l.settled_count) "
    "OR EXISTS (SELECT 1 FROM trading_capitalchange WHERE profile_id = OLD.id AND kind = 'pool' "
    "GROUP BY other_id HAVING SUM(amount) <> 0))"
)
MOVES: Final = "COALESCE(NEW.subaccount, 0) <> COALESCE(OLD.subaccount, 0)"


def has_open(profile: Profile) -> bool:
    """Whether anything of the profile is open: a position at work or held, an order, contracts of a position that has ended, money
    lent or borrowed."""
    held = Leg.objects.filter(position__profile=profile, bought_count__gt=F("sold_count") + F("settled_count"))
    loans = CapitalChange.objects.filter(profile=profile, kind=CapitalChange.Kind.POOL).order_by().values("other")
    return (
        Position.objects.filter(profile=profile, status__in=ACTIVE).exists()
        or Order.objects.filter(profile=profile, status__in=OPEN_ORDERS).exists()
        or held.exists()
        or loans.annotate(owed=Sum("amount")).exclude(owed=0).exists()
    )


def install(using: str = "default", **signal: Any) -> None:
    """Put the triggers in place (after ``migrate``). Nothing happens while the tables are not there yet."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if not {table for table, _, _ in GUARDED} <= tables:
        return
    remove(using)
    statements = _sqlite() if connection.vendor == "sqlite" else _postgresql()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove(using: str = "default", **signal: Any) -> None:
    """Take the triggers away (before ``migrate``)."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for name, table in _names():
            if table in tables:
                on = "" if connection.vendor == "sqlite" else f" ON {table}"
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def _names() -> Iterator[tuple[str, str]]:
    for table, column, _ in GUARDED:
        yield f"{_name(table, column)}_insert", table
        yield f"{_name(table, column)}_update", table
    yield USED_PROFILE, "strategies_profile"
    yield OPEN_PROFILE, "strategies_profile"


def _name(table: str, column: str) -> str:
    return f"mode_guard_{table}_{column}"


def _sqlite() -> Iterator[str]:
    for table, column, parent in GUARDED:
        for when in ("INSERT", "UPDATE"):
            of = f" OF mode, {column}" if when == "UPDATE" else ""
            yield (
                f"CREATE TRIGGER {_name(table, column)}_{when.lower()} BEFORE {when}{of} ON {table} "
                f"WHEN NEW.mode <> (SELECT mode FROM {parent} WHERE id = NEW.{column}) "
                f"BEGIN SELECT RAISE(ABORT, 'the mode of {table} must be that of its {parent}'); END"
            )
    yield (
        f"CREATE TRIGGER {USED_PROFILE} BEFORE UPDATE OF mode ON strategies_profile "
        "WHEN NEW.mode <> OLD.mode AND EXISTS (SELECT 1 FROM trading_ledgertransaction WHERE profile_id = OLD.id) "
        f"BEGIN SELECT RAISE(ABORT, '{USED_TEXT}'); END"
    )
    yield (
        f"CREATE TRIGGER {OPEN_PROFILE} BEFORE UPDATE OF subaccount ON strategies_profile WHEN {MOVES} AND {IS_OPEN} "
        f"BEGIN SELECT RAISE(ABORT, '{OPEN_TEXT}'); END"
    )


def _postgresql() -> Iterator[str]:
    for table, column, parent in GUARDED:
        name = _name(table, column)
        yield _function(
            name,
            f"NEW.mode <> (SELECT mode FROM {parent} WHERE id = NEW.{column})",
            f"the mode of {table} must be that of its {parent}",
        )
        each = f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        yield f"CREATE TRIGGER {name}_insert BEFORE INSERT ON {table} {each}"
        yield f"CREATE TRIGGER {name}_update BEFORE UPDATE OF mode, {column} ON {table} {each}"
    used = "EXISTS (SELECT 1 FROM trading_ledgertransaction WHERE profile_id = OLD.id)"
    yield _function(USED_PROFILE, f"NEW.mode <> OLD.mode AND {used}", USED_TEXT)
    yield (
        f"CREATE TRIGGER {USED_PROFILE} BEFORE UPDATE OF mode ON strategies_profile "
        f"FOR EACH ROW EXECUTE FUNCTION {USED_PROFILE}()"
    )
    # the balance's row is what an admission holds while it makes a position
    yield (
        f"CREATE OR REPLACE FUNCTION {OPEN_PROFILE}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {MOVES} THEN PERFORM 1 FROM trading_profilebalance WHERE profile_id = OLD.id FOR UPDATE; "
        f"IF {IS_OPEN} THEN RAISE EXCEPTION '{OPEN_TEXT}' USING ERRCODE = 'check_violation'; END IF; END IF; RETURN NEW; END $$"
    )
    yield (
        f"CREATE TRIGGER {OPEN_PROFILE} BEFORE UPDATE OF subaccount ON strategies_profile "
        f"FOR EACH ROW EXECUTE FUNCTION {OPEN_PROFILE}()"
    )


def _function(name: str, condition: str, text: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {condition} THEN "
        f"RAISE EXCEPTION '{text}' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
    )
