"""A page with a record that is nested too deep for any reader: the record is cut out without being read, its neighbours stay."""

from __future__ import annotations

import re
from typing import Final

import msgspec

DEEPEST: Final = 200
"""Levels of one record; the exchange's own have about six. The readers' limit is several hundred, less what their callers use."""
SAMPLE_BYTES: Final = 500

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
_CLOSES: Final = {b"]": b"[", b"}": b"{"}
_LIST_OF_A_PAGE: Final = [b"{", b"["]


def without_deep_records(page: bytes) -> bytes:
    """The page with the beginning of each such record, as a text, in the record's place: no record is a text, so it is refused by
    itself, by name.

    Where records begin and end is certain, because brackets are counted outside of texts and have to match. Raises ValueError
    where they do not, and for a page that is too deep beside its records.
    """
    kept, at, began, deepest = [], 0, 0, 0
    open_brackets: list[bytes] = []
    for token in _TOKEN.finditer(page):
        bracket = token.group()
        if bracket in (b"{", b"["):
            if open_brackets == _LIST_OF_A_PAGE:
                began, deepest = token.start(), 0
            open_brackets.append(bracket)
            deepest = max(deepest, len(open_brackets))
            continue
        if bracket not in _CLOSES:
            continue
        if not open_brackets or open_brackets.pop() != _CLOSES[bracket]:
            raise ValueError("brackets that do not match")
        if open_brackets == _LIST_OF_A_PAGE and deepest > DEEPEST:
            sample = page[began : began + SAMPLE_BYTES].decode("utf-8", "backslashreplace")
            kept += [page[at:began], msgspec.json.encode(sample)]
            at = token.end()
    if open_brackets or not kept:
        raise ValueError("a page that is nested too deep")
    return b"".join([*kept, page[at:]])
