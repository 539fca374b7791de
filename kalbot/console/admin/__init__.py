"""The admin: one module per app, several where an app has many lists. Importing this package registers every class."""

from kalbot.console.admin import (  # noqa: F401
    accounts,
    decisions,
    feed,
    ledger,
    markets,
    notify,
    operations,
    orders,
    people,
    positions,
    profiles,
    safety,
    schedules,
    strategies,
    tape,
    terms,
    triage,
)
