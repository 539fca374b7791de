"""The admin: one module a topic, in a folder of its own where an app has many lists. Importing this package registers every class."""

from kalbot.console.admin import decisions, notify, operations, people, schedules, strategies, triage  # noqa: F401
from kalbot.console.admin.markets import feed, markets, tape, terms  # noqa: F401
from kalbot.console.admin.profiles import profiles  # noqa: F401
from kalbot.console.admin.trading import accounts, ledger, orders, positions, safety  # noqa: F401
