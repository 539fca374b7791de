"""How long a text and how large a number of the exchange's may be.

What no column of ours holds is refused where it comes in, so that one such record is named and set aside. A database would refuse
the whole statement, and with it every other record of the page or batch.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2999
LARGEST_SECONDS: Final = 32_503_679_999
"""The end of ``LAST_YEAR``."""
NO_SECONDS: Final = -62_135_596_800
"""The year 1: what some programs send for no time."""
DEEPEST: Final = 16
"""Of objects in objects that are kept as they come."""

SeriesTicker = Annotated[str, Meta(min_length=1, max_length=64)]
EventTicker = Annotated[str, Meta(min_length=1, max_length=96)]
MarketTicker = Annotated[str, Meta(min_length=1, max_length=128)]
Identifier = Annotated[str, Meta(min_length=1, max_length=64)]
"""Of an order, a trade, a transfer, a fee change."""
Reference = Annotated[str, Meta(max_length=64)]
"""An identifier that may be empty: of no group, of an order that was refused."""
ClientId = Annotated[str, Meta(max_length=128)]
"""Empty for an order that was placed by hand."""
Word = Annotated[str, Meta(max_length=64)]
"""A type, a category, a frequency."""
ShortWord = Annotated[str, Meta(max_length=32)]
StatusWord = Annotated[str, Meta(max_length=24)]
KindWord = Annotated[str, Meta(max_length=16)]
Address = Annotated[str, Meta(max_length=300)]
Shard = Annotated[int, Meta(ge=0, le=32_767)]
Subaccount = Annotated[int, Meta(ge=0, le=32_767)]
Seconds = Annotated[int, Meta(ge=NO_SECONDS, le=LARGEST_SECONDS)]
Milliseconds = Annotated[int, Meta(ge=NO_SECONDS * 1000, le=LARGEST_SECONDS * 1000 + 999)]
Duration = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""Seconds."""
Cents = Annotated[int, Meta(ge=-(10**12), le=10**12)]
"""A sum of money: ten billion dollars at most."""
Centicents = Annotated[int, Meta(ge=-(10**14), le=10**14)]
"""The same in 1/10,000 dollar."""
Clock = Annotated[int, Meta(ge=0, le=2**63 - 1)]
