"""The desk's own pages beside the admin's lists: (address, name, view)."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "PAGES":
        raise AttributeError(name)
    from kalbot.console.pages import operate, parts, why

    return [
        ("desk/parts/<slug:part>/", "desk_part", parts.part),
        ("why/", "why", why.funnel_page),
        ("why/<path:event>/", "why_event", why.event_page),
        ("operate/", "operate", operate.page),
    ]
