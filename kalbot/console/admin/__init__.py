"""The admin: one module per app. Importing this package registers every class."""

from kalbot.console.admin import accounts, markets, operations, people, profiles, safety, strategies, trading, triage  # noqa: F401
