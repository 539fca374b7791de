"""What a command cannot do is one sentence: the log does not say it a second time on the same screen."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kalbot.common.errors import SettingError
from trading.reconciliation import reconcile


@pytest.mark.parametrize("command", [("reconcile", "--mode", "live"), ("adopt",)], ids=lambda one: one[0])
def test_a_command_without_a_key_says_so_once(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, command: tuple[str, ...]
) -> None:
    def refuse(*_: Any) -> None:
        raise SettingError("KALSHI_KEY_ID is not set")

    monkeypatch.setattr(reconcile, "_live", refuse)
    with pytest.raises(CommandError, match="could not compare: SettingError: KALSHI_KEY_ID is not set"):
        call_command(*command)
    assert [one.getMessage() for one in caplog.records if one.levelno > logging.DEBUG] == []


def test_a_comparison_that_nobody_reads_is_in_the_log(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise SettingError("KALSHI_KEY_ID is not set")

    monkeypatch.setattr(reconcile, "_live", refuse)
    reconcile.run("live", "beat")
    assert [one.levelname for one in caplog.records] == ["ERROR"]
