"""``bin/kalbot``: the API from a terminal. Needs only requests and rich, an address and a token; knows nothing of Django."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import requests
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

TIMEOUT: Final = 15.0
ADDRESS_ERRORS: Final = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    UnicodeError,
)
COLOURS: Final = {"ok": "green", "warn": "yellow", "bad": "red"}


class Failed(Exception):
    """A sentence for the person; the command ends with 1."""


class Client:
    """The API at one address."""

    def __init__(self, address: str, token: str) -> None:
        if not token.isascii():
            raise Failed("KALBOT_API_TOKEN has characters that no token has; nothing was sent. Copy it again.")
        self._root = address.rstrip("/") + "/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str) -> Any:
        """Raises Failed."""
        return self._answer("GET", path, params={key: value for key, value in query.items() if value})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Raises Failed. Never repeated by itself."""
        return self._answer("POST", path, json=body)

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        # a redirect would turn a POST into a GET, or take the token elsewhere
        options |= {"timeout": TIMEOUT, "allow_redirects": False}
        try:
            answer = self._session.request(method, self._root + path, **options)
        except ADDRESS_ERRORS:
            raise Failed(f"{self._root} is no address; write one like https://kalbot.example.org.") from None
        except requests.RequestException as error:
            sent = "" if method == "GET" else " It may have been done all the same: check kalbot status."
            raise Failed(f"{self._root} does not answer ({type(error).__name__}).{sent}") from None
        if answer.is_redirect:
            raise Failed(f"{self._root} sends us to {answer.headers['Location']}; use that address if it is Kalbot's.")
        try:
            content = answer.json()
        except ValueError:
            raise Failed(f"{self._root} answered {answer.status_code}, and not in JSON. Is it Kalbot?") from None
        if answer.status_code == 401:
            raise Failed("The token is not valid: unknown, expired or revoked.")
        if not answer.ok:
            raise Failed(_detail(content) or f"Refused with {answer.status_code}.")
        return content


def _detail(content: Any) -> str:
    found = content.get("detail") if isinstance(content, dict) else None
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return "; ".join(f"{'.'.join(map(str, one.get('loc', [])[2:]))}: {one.get('msg', '')}" for one in found)
    return str(found or "")


def status(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Parts and trading state."""
    found = client.get("/status")
    table = _table("Part", "State", "")
    for part in found["parts"]:
        state = Text(part["state"], style=COLOURS.get(part["state"], ""))
        table.add_row(escape(part["name"]), state, escape(part["sentence"]))
    out.print(f"Trading is [bold]{escape(found['trading'])}[/].")
    _stops(found.get("stops", []), out)
    out.print(table)
    return found


def _stops(found: Sequence[dict[str, Any]], out: Console) -> None:
    for one in found:
        until = f", until {one['until']}" if one["until"] else ""
        out.print(
            f"[red]{escape(one['title'])}[/]: {escape(one['why'])}{until}; {escape(one['who'])}.", highlight=False
        )


def positions(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Positions."""
    found = client.get("/positions", state=options.state, profile=options.profile, mode=options.mode)
    table = _table("#", "Event", "Profile", "Mode", "Status", "Cost >", "Pays at least >", "Realised >")
    for row in found:
        event = Text(f"{row['title'] or row['event']}\n").append(row["event"], style="dim")
        status = Text(row["status"]).append(_waits(row), style="dim")
        least = Text("–" if row["floor"] is None else _money(row["floor"]))
        least.append(f"\n{row['grade']}{', naked legs' if row['naked'] else ''}" if row["grade"] else "", style="dim")
        money = (_money(row["cost"]), least, _money(row["realised"]))
        table.add_row(str(row["id"]), event, escape(row["profile"]), row["mode"], status, *money)
    out.print(table if found else "No position.")
    return found


def _waits(row: dict[str, Any]) -> str:
    """What a position waits for, on lines of its own; a server of an earlier version says nothing of it."""
    if not row.get("waits_for"):
        return ""
    again = f"\nnext try {row['next_try']}" if row["next_try"] else ""
    return f"\nwaits {row['waits_for']}\nsince {row['waits_since']}{again}"


def pnl(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Profit, the modes apart."""
    found = {mode: client.get("/pnl", mode=mode) for mode in ([options.mode] if options.mode else ["live", "sim"])}
    for mode, rows in found.items():
        table = _table("Profile", "Ended >", "Realised >", "Fees >", "Open cost >", title=mode)
        for row in rows:
            money = [_money(row[name]) for name in ("realised", "fees", "open_cost")]
            table.add_row(escape(row["profile"]), str(row["ended"]), *money)
        out.print(table if rows else f"{mode}: nothing yet.")
    return found


def why(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Why an event is bought or not."""
    found = client.get(f"/why/{quote(options.event, safe='')}", profile=options.profile)
    _stops(found.get("stops", []), out)
    for line in found["lines"]:
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        words = textwrap.wrap(line, out.width, subsequent_indent=indent, break_on_hyphens=False) or [""]
        out.print("\n".join(words), markup=False, highlight=False, soft_wrap=True)
    return found


def halt(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Stop new risk, or everything."""
    level = "halted" if options.everything else "reducing"
    found = client.post("/halt", {"reason": options.reason, "level": level, "profile": options.profile or None})
    _done(found, out)
    return found


def resume(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Let new baskets be bought again."""
    if options.profile == "":
        raise Failed("--profile is empty: name one, or leave the option out to resume all.")
    found = client.post("/resume", {"reason": options.reason, "profile": options.profile or None})
    _done(found, out)
    return found


def leave(client: Client, options: argparse.Namespace, out: Console) -> Any:
    """Exit a position or a part of it, or several positions."""
    body = {"reason": options.reason, "share": options.share, "below_floor": options.below_floor}
    if options.least_price:
        body["least_price"] = options.least_price
    if len(options.position) > 1:
        if options.count:
            raise Failed("--count is of one position alone; say --share for several.")
        found = client.post("/exits", {**body, "positions": options.position})
    elif not options.least_price:
        raise Failed("--least-price: say below which price nothing of this position may be sold.")
    else:
        counts = dict(one.rsplit("=", 1) for one in options.count if "=" in one)
        if any("=" not in one for one in options.count):
            raise Failed('--count is written "yes MARKET=CONTRACTS".')
        if len(counts) != len(options.count):
            raise Failed("--count names a leg twice.")
        found = client.post(f"/positions/{options.position[0]}/exit", {**body, "counts": counts})
    _done(found, out)
    return found


def _done(found: Any, out: Console) -> None:
    """What the server says of a write. It was accepted: an answer of another form is no failure."""
    words = found.get("result") if isinstance(found, dict) else None
    out.print(str(words or f"Accepted: {json.dumps(found)}"), markup=False, highlight=False)


def _table(*columns: str, title: str = "") -> Table:
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name.removesuffix(" >"), justify="right" if name.endswith(" >") else "left")
    return table


def _money(text: Any) -> str:
    value = float(text)  # for the screen only
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="kalbot", description="Status, positions, profit and the switch, from a terminal."
    )
    found.add_argument(
        "--url", default=os.environ.get("KALBOT_API_URL", "http://127.0.0.1:8000"), help="default: $KALBOT_API_URL"
    )
    found.add_argument("--json", action="store_true", help="print the answer as JSON")
    commands = found.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[..., Any], example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=run.__doc__, description=run.__doc__, epilog=f"Example: {example}")
        made.set_defaults(run=run)
        return made

    command("status", status, "kalbot status")
    listed = command("positions", positions, "kalbot positions --state ended --mode live")
    listed.add_argument(
        "--state", choices=["active", "ended", "all"], default="active", help="which of them (default active)"
    )
    listed.add_argument("--profile", default="", help="its name; default: every profile")
    listed.add_argument("--mode", choices=["sim", "live"], default="", help="default: both")
    made = command("pnl", pnl, "kalbot pnl --mode live")
    made.add_argument("--mode", choices=["sim", "live"], default="", help="default: both, one after the other")
    reasons = command("why", why, "kalbot why KXHIGHNY-26JUL19 --profile careful")
    reasons.add_argument("event", help="ticker of an open event")
    reasons.add_argument("--profile", required=True, help="its name")
    examples = {
        "halt": 'kalbot halt --reason "prices are wrong"',
        "resume": 'kalbot resume --reason "prices are right"',
    }
    for name, run in (("halt", halt), ("resume", resume)):
        switch = command(name, run, examples[name])
        switch.add_argument("--reason", required=True, help="why, at least three characters; it is kept")
        switch.add_argument("--profile", default=None, help="only this one; default: everything")
        if run is halt:
            switch.add_argument(
                "--everything",
                action="store_true",
                help="exits too, cancel what rests, and leave what is half-bought naked",
            )
    sale = command("exit", leave, 'kalbot exit 12 --least-price 0.40 --reason "rain"')
    sale.add_argument(
        "position", type=int, nargs="+", help="its number; several of one mode are exited with one reason"
    )
    sale.add_argument(
        "--least-price",
        default="",
        help="dollars a contract; nothing is sold below it. Several: else the bids less 2 cents",
    )
    sale.add_argument("--share", default="100", help="per cent of every leg; default: all")
    sale.add_argument("--count", action="append", default=[], help='"yes MARKET=4": so many contracts of one leg')
    sale.add_argument("--reason", required=True, help="why, at least three characters; it is kept")
    sale.add_argument(
        "--below-floor", default="", help="why less than the basket pays in every listed state is accepted"
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0, 1 when it was refused, 2 when the command line is wrong."""
    options = parser().parse_args(arguments)
    token = os.environ.get("KALBOT_API_TOKEN", "").strip()
    if not token:
        print("kalbot: set KALBOT_API_TOKEN to a token of the account menu's page API tokens.", file=sys.stderr)
        return 2
    out = Console(quiet=options.json)
    try:
        found = options.run(Client(options.url, token), options, out)
    except Failed as error:
        print(f"kalbot: {error}", file=sys.stderr)
        return 1
    except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError) as error:
        words = f"{options.url} answered in a form that this version does not know ({type(error).__name__})"
        print(f"kalbot: {words}; is it of another version?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
