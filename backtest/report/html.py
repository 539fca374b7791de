"""A report in one file without scripts or anything fetched: tables, and the equity curve as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from backtest.report.results import Result
from backtest.report.terminal import coverage_line, moment, rows
from kalbot.common.units import dollars
from markets.tape.coverage import Coverage
from strategies.reasons import sentence_of

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;border-bottom:1px solid #d8dde3;"
    "text-align:right}td:first-child,th:first-child{text-align:left}svg{max-width:100%}"
)
WIDTH, HEIGHT = 900, 220


def page(results: Sequence[Result], covered: Coverage) -> str:
    """The whole page."""
    parts = [f"<p>{escape(coverage_line(covered))}</p>", _summary(results)]
    for result in results:
        parts += [f"<h2>{escape(result.profile)}, queue {escape(result.options['queue'])}</h2>"]
        parts += [f"<p>{moment(result.first_ms)} to {moment(result.last_ms)} UTC</p>", curve(result.equity)]
        parts += [_funnel(result), _positions(result)]
    body = "\n".join(parts)
    return f"<!doctype html><meta charset=utf-8><title>Backtest</title><style>{STYLE}</style><h1>Backtest</h1>{body}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>"


def _summary(results: Sequence[Result]) -> str:
    return _table(
        ["", *(result.profile for result in results)],
        [[name, *(text(result) for result in results)] for name, text in rows(results)],
    )


def _funnel(result: Result) -> str:
    rows = [[sentence_of(code) or code, f"{count:,}"] for code, count in result.funnel.items()]
    return _table(["last verdict", "events"], rows)


def _positions(result: Result) -> str:
    rows = [
        [
            moment(one["at_ms"]),
            one["event"],
            one["kind"],
            dollars(one["spent"]),
            one["close_type"] or one["status"],
            dollars(one["profit"]),
        ]
        for one in result.positions
    ]
    return _table(["time", "event", "kind", "spent", "end", "profit"], rows) if rows else "<p>No basket was bought.</p>"


def curve(points: Sequence[tuple[int, int]]) -> str:
    """Realised profit over time as SVG; a sentence where there is none."""
    if not points:
        return "<p>Nothing was realised.</p>"
    times, values = [at for at, _ in points], [0, *(value for _, value in points)]
    width, low, high = max(1, times[-1] - times[0]), min(values), max(values)
    span = max(1, high - low)

    def place(at: int, value: int) -> str:
        return f"{(at - times[0]) * WIDTH / width:.1f},{HEIGHT - (value - low) * HEIGHT / span:.1f}"

    line, before = [place(times[0], 0)], 0
    for at, value in points:
        line += [place(at, before), place(at, value)]
        before = value
    return (
        f'<svg viewBox="-4 -4 {WIDTH + 8} {HEIGHT + 8}" role="img" aria-label="realised profit from {dollars(low)} to '
        f'{dollars(high)}"><polyline fill="none" stroke="#0b6e4f" stroke-width="2" points="{" ".join(line)}"/></svg>'
    )
