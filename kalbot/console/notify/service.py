"""The one place that speaks to the outside: apprise, with its errors as sentences."""

from __future__ import annotations

import logging
import unicodedata
from functools import partial
from typing import Final

import apprise

from kalbot.console.notify.limited import limited
from kalbot.console.ops.records.redaction import scrub

SECONDS: Final = 20.0
"""Longest that one message may take, however the service answers. Shorter than the claim of its deliveries."""
log = logging.getLogger(__name__)


def name_of(address: str) -> str | None:
    """The service that an address belongs to; None when apprise cannot read it."""
    plugin = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    return None if plugin is None else str(getattr(plugin, "service_name", "") or type(plugin).__name__)


def send(address: str, title: str, body: str, *, urgent: bool) -> str:
    """Send one message; returns why it failed, empty when the service took it. Never raises; the address is in no sentence."""
    kind = apprise.NotifyType.FAILURE if urgent else apprise.NotifyType.INFO
    try:
        # a message that is sent on arrives as a request without it, and would count as sent; and apprise's own limit
        # leaves a thread behind, which ours ends
        asset = apprise.AppriseAsset(http_redirects=False, service_timeout=0)
        plugin = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
        if plugin is None:
            return "The address is not one that apprise knows."
        if plugin.overflow_mode == apprise.OverflowMode.UPSTREAM:  # the service refuses what is too long, for ever
            plugin.overflow_mode = apprise.OverflowMode.SPLIT
        one = apprise.Apprise(plugin)
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]  # apprise
            sent = limited(partial(_notify, one, kind, _plain(" ".join(title.split())), _plain(body)), SECONDS)
            reason = "; ".join(line for line in str(said.getvalue()).splitlines() if line)
    except TimeoutError:
        return f"The service did not answer within {SECONDS:g} s."
    except Exception as error:  # a plugin's own fault must not reach trading's workers
        log.warning("notification service raised %s", type(error).__name__)
        return f"{type(error).__name__} in the service's plugin"
    if sent:
        return ""
    return _without(scrub(reason), address)[:300] or "The service did not take the message."


def _notify(one: apprise.Apprise, kind: apprise.NotifyType, title: str, body: str) -> bool:
    """Titles of events are text of others: for a service that reads HTML or Markdown they are escaped."""
    return bool(one.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))


def _plain(text: str) -> str:
    """Without what no service takes: control characters, and halves of characters that no encoding has."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(one for one in whole if one in "\n\t" or unicodedata.category(one) != "Cc")


def _without(text: str, address: str) -> str:
    """Plugins log addresses: what stands behind the scheme is cut out wherever it appears."""
    for part in (
        address,
        *address.replace("://", "/").replace("@", "/").replace(":", "/").replace("?", "/").split("/"),
    ):
        if len(part) >= 6:
            text = text.replace(part, "[hidden]")
    return text
