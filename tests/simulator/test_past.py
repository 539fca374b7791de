"""What the simulator answered about the past before it was killed, it answers afterwards: trades, candlesticks, history."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.exchange import Exchange
from simulator.persistence.state import StateFile

from .test_determinism_and_state import restarted
from .world import MIN, START, Client

CANDLES = f"/series/KXMLBGAME/markets/{MIN}/candlesticks"


def past(client: Client) -> dict[str, Any]:
    """Everything that is answered about what has happened in one market."""
    end = START // 1000 + 86_400
    found: dict[str, Any] = {
        f"candles {period}": client.get(CANDLES, start_ts=START // 1000 - 60, end_ts=end, period_interval=period)
        for period in (1, 60)
    }
    found["event"] = client.get(
        f"/series/KXMLBGAME/events/{MIN.rsplit('-', 1)[0]}/candlesticks",
        start_ts=START // 1000,
        end_ts=end,
        period_interval=1,
    )
    for path in (
        "/markets/trades",
        "/historical/trades",
        "/portfolio/fills",
        "/historical/fills",
        "/historical/orders",
    ):
        found[path] = client.get(path, ticker=MIN)
    return found


def busy(client: Client, seconds: int) -> None:
    """Some trades of the account, a minute or less apart."""
    for price, side in (("0.4900", "bid"), ("0.4600", "ask"), ("0.4900", "bid")):
        client.order(MIN, side, price, "3.00")
        client.exchange.advance(client.exchange.now() + seconds * 1_000)
        client.exchange.commit()


def kept(make: Callable[..., Exchange], path: Path) -> Client:
    exchange = make(account_historical_ms=120_000)
    exchange.file = StateFile(path)
    exchange.file.save(exchange)
    return Client(exchange)


def save(client: Client) -> None:
    assert client.exchange.file is not None
    client.exchange.commit()
    client.exchange.file.save(client.exchange)


def again(client: Client, folder: Path, path: Path) -> Client:
    """The next process, begun in the millisecond in which the last one was killed."""
    return Client(restarted(folder, path, client.exchange.now() - START, account_historical_ms=120_000))


def test_trades_candlesticks_and_history_outlive_kills_at_any_moment(
    make: Callable[..., Exchange], tmp_path: Path, snapshot_folder: Path
) -> None:
    client = kept(make, tmp_path / "state")
    for seconds in (1, 61, 20):
        busy(client, seconds)  # since the last checkpoint, in the journal alone
        before = past(client)
        assert before["candles 1"]["candlesticks"]
        assert before["/markets/trades"]["trades"] or before["/historical/trades"]["trades"]
        client = again(client, snapshot_folder, tmp_path / "state")
        assert past(client) == before
        busy(client, seconds)
        save(client)
        busy(client, 1)
        save(client)
        before = past(client)
        client = again(client, snapshot_folder, tmp_path / "state")
        assert past(client) == before


def test_a_kill_between_the_file_of_the_past_and_the_checkpoint_doubles_nothing(
    make: Callable[..., Exchange], tmp_path: Path, snapshot_folder: Path
) -> None:
    client = kept(make, tmp_path / "state")
    busy(client, 40)
    save(client)
    busy(client, 40)
    before = past(client)
    client.exchange.commit()
    shutil.copytree(tmp_path, tmp_path / "old")
    save(client)
    shutil.copy(tmp_path / "state.past", tmp_path / "old" / "state.past")
    assert past(again(client, snapshot_folder, tmp_path / "old" / "state")) == before


def test_a_line_of_the_past_that_was_cut_short_is_in_the_journal_still(
    make: Callable[..., Exchange], tmp_path: Path, snapshot_folder: Path
) -> None:
    client = kept(make, tmp_path / "state")
    busy(client, 61)
    before = past(client)
    with open(tmp_path / "state.past", "ab") as file:
        file.write(b'{"minutes":[["KX')
    client = again(client, snapshot_folder, tmp_path / "state")
    assert past(client) == before
    save(client)
    assert past(again(client, snapshot_folder, tmp_path / "state")) == before
