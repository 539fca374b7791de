"""No function, class, property or variable of the product that nothing uses. Tests, benches and scripts count as users."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import vulture

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("kalbot", "markets", "strategies", "trading", "triage", "backtest", "simulator")
USERS: Final = ("tests", "bench", "manage.py")
CONFIDENCE: Final = 60
"""Vulture's own figure for "nothing in these files has this name"; 100 is kept for unreachable code."""

REGISTERED: Final = [
    *("@api.*", "@shared_task*", "@admin.*", "@register*", "@display*", "@action*", "@receiver*", "@*.connect*"),
    *("@property", "@cached_property"),
]
"""Decorators that hand the function to a framework. Properties are also read by templates and admin lists, by name."""

BY_NAME: Final = [
    *(
        "Meta",
        "Command",
        "*Config",
        "default_auto_field",
        *("isolation_level", "create_cursor"),  # of Django's backends
        *("_queue_cycle", "rotate"),  # of the Redis transport of kombu
        "health_check_done",
        "*Admin",
        "*Middleware",
        "*Inline",
        "*Site",
        "add_arguments",
        "_do_file_export",  # of django-import-export, called with a valid form
        "handle",
        "ready",
        "urlpatterns",
        "handler[0-9]*",
    ),
    *(
        "has_*_permission",
        "get_*",
        "_do_file_export",  # of django-import-export
        "clean_*",
        "formfield_*",
        "save_*",
        "extra_urls",
        "prepare_*",
        "revert_*",
    ),  # Django's hooks
    "do_*",  # http.server, and subcommands of a command
    *(
        "num_col_",
        "num_row_",
        "sense_",
        "col_*_",
        "row_*_",
        "integrality_",
        "format_",
        "start_",
        "index_",
        "value_",
        "enableCallbacks",
    ),  # highspy
    "authenticate",  # ninja
    "_escape_formulae",  # tablib, through django-import-export
    "enqueue",  # logging's QueueHandler
    *("Scheduler", "setup_schedule"),  # beat's, named in the settings
    *("do_GET", "log_message", "daemon_threads", "protocol_version"),  # http.server's hooks
    *("_missing_", "_value_", "__getattr__"),  # enum's and Python's own
    *("_change_reason", "trust_env", "pool_classes_by_scheme", "ConnectionCls", "otp_device"),  # read by libraries
    *("redis_errors", "disconnects", "suppressed"),  # counters that are published all together
    *("short_description", "url_path", "readonly_preprocess_fields", "widget"),  # read by the admin
]
"""Names that a framework looks up. Everything else needs a caller."""

DECLARED: Final = (
    *(
        "kalbot/settings.py",
        "kalbot/wsgi.py",
        "kalbot/console/admin/",
        "kalbot/console/dates/",
        "kalbot/console/dialogs/",
    ),
    *("kalbot/console/apps.py", "kalbot/console/site.py", "kalbot/console/models.py", "kalbot/console/pages/"),
    "kalbot/console/notify/models.py",
    "kalbot/console/api/shapes.py",
    *(
        "markets/models/",
        "markets/kalshi/vocabulary.py",
        "markets/kalshi/schemas/",
        "markets/kalshi/ws/",
        "markets/kalshi/rest/",
    ),
    *(
        "strategies/models/",
        "trading/models/",
        "trading/selectors.py",
        "triage/models.py",
        "backtest/models.py",
        "triage/assessment/signals.py",
    ),
    "management/commands/",
)
"""Where a variable is a declaration that somebody else reads: settings, columns, fields of messages, codes of the exchange."""

ADDRESSED: Final = ("kalbot/console/",)
"""Where a class or function is addressed by a dotted path in a string: dialogs by name, settings of the admin's theme."""


def unused() -> list[str]:
    """``path:line: kind name`` of everything in the product that nothing uses."""
    finder = vulture.Vulture(ignore_names=BY_NAME, ignore_decorators=REGISTERED)
    finder.scavenge([str(ROOT / name) for name in (*PRODUCT, *USERS)], exclude=["*/migrations/*"])
    found = []
    for item in finder.get_unused_code(min_confidence=CONFIDENCE):
        path = Path(item.filename).relative_to(ROOT).as_posix()
        declared = item.typ in ("variable", "attribute") and any(part in path for part in DECLARED)
        addressed = item.typ in ("class", "function") and path.startswith(ADDRESSED) and _is_addressed(item.name)
        if path.split("/")[0] in PRODUCT and not declared and not addressed:
            found.append(f"{path}:{item.first_lineno}: {item.typ} {item.name}")
    return found


def _is_addressed(name: str) -> bool:
    """Whether some string of the product ends in ``.name`` or names it whole."""
    quoted = tuple(f'{before}{name}"' for before in (".", '"'))
    sources = (path.read_text(encoding="utf-8") for top in PRODUCT for path in (ROOT / top).rglob("*.py"))
    return any(text in source for source in sources for text in quoted)


def test_nothing_in_the_product_is_unused() -> None:
    found = unused()
    assert not found, "\n".join(found)
