"""The one place that speaks to the outside: apprise, with its errors as sentences."""

from __future__ import annotations

import logging
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import apprise

from kalbot.console.notify.limited import limited
from kalbot.console.ops.records.redaction import scrub

SECONDS: Final = 20.0
"""Longest that one message may take, however the service answers. Shorter than the claim of its deliveries."""
_TLS: Final = re.compile(r"\[SSL: (?P<code>\w+)\] (?P<words>[^(\n]+)\(_ssl\.c:")
"""How Python's ssl says what went wrong, wherever another library's error quotes it; what a message says is no such error."""
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
        sent, reason = limited(partial(_notify, one, kind, _plain(" ".join(title.split())), _plain(body)), SECONDS)
    except TimeoutError:
        return f"The service did not answer within {SECONDS:g} s."
    except Exception as error:  # a plugin's own fault must not reach trading's workers
        log.warning("notification service raised %s", type(error).__name__)
        return f"{type(error).__name__} in the service's plugin"
    if sent:
        return ""
    return _without(scrub(reason), address)[:300] or "The service did not take the message."


class _Kept(logging.Handler):
    """Keeps what one thread logs."""

    def __init__(self, said: list[logging.LogRecord], thread: int) -> None:
        super().__init__()
        self._said, self._thread = said, thread

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        if record.thread == self._thread:
            self._said.append(record)


@contextmanager
def _captured() -> Iterator[list[logging.LogRecord]]:
    """What apprise logs meanwhile in this thread: lines of another one hold another channel's address. Its logger prints nothing."""
    said: list[logging.LogRecord] = []
    of_apprise, handler = logging.getLogger("apprise"), _Kept(said, threading.get_ident())
    of_apprise.setLevel(logging.DEBUG)
    of_apprise.addHandler(handler)
    try:
        yield said
    finally:
        of_apprise.removeHandler(handler)


def _of_tls(details: str) -> str:
    """The sentence for a connection that failed because of TLS, which plugins call a connection that failed; empty for any other."""
    found = _TLS.search(details)
    if found is None:
        return ""
    what = found["words"].strip(" :.")
    if found["code"] == "CERTIFICATE_VERIFY_FAILED":
        return f"The service's certificate is not accepted: {what.removeprefix('certificate verify failed: ')}."
    return f"The service does not speak TLS as expected: {what}."


def _notify(one: apprise.Apprise, kind: apprise.NotifyType, title: str, body: str) -> tuple[bool, str]:
    """Whether the service took it, and what apprise said if not. Titles of events are text of others: for a service that reads HTML or
    Markdown they are escaped."""
    with _captured() as said:
        sent = bool(one.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))
    lines = [record.getMessage() for record in said if record.levelno >= logging.WARNING]
    details = "\n".join(record.getMessage() for record in said)
    return sent, _of_tls(details) or "; ".join(line for line in "\n".join(lines).splitlines() if line)


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
