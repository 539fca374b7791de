"""What is registered about one contract terms document, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from markets.terms.reading.meanings import Meaning
from markets.terms.reading.text import plain


class NoDataRule(StrEnum):
    """What the terms say about a value that is not published."""

    UNKNOWN = "unknown"
    ALL_NO = "all_no"
    PER_STRIKE_NO = "per_strike_no"
    LAST_VALUE = "last_value"
    LAST_PRICE = "last_price"
    DISCRETION = "discretion"


NO_DATA_MEANS: Final[dict[NoDataRule, tuple[Meaning, ...]]] = {
    NoDataRule.UNKNOWN: (Meaning.DISCRETION,),
    NoDataRule.ALL_NO: (Meaning.ALL_NO,),
    NoDataRule.PER_STRIKE_NO: (Meaning.ALL_NO, Meaning.ANY_NO),
    NoDataRule.LAST_VALUE: (),
    NoDataRule.LAST_PRICE: (Meaning.VOID,),
    NoDataRule.DISCRETION: (Meaning.DISCRETION,),
}


@dataclass(frozen=True, slots=True)
class RegisteredTerms:
    """One entry. ``approved``: a risk manager approved the document of this hash, for this exchange, and nothing has changed
    since; without it the entry only adds states, never certainty. ``unit``: precision of the value (None: not stated).
    ``fingerprint``: of the whole entry, kept with each certificate that rests on it."""

    url: str
    sha256: str
    approved: bool
    no_data: NoDataRule
    fingerprint: str
    between_inclusive: bool = True
    unit: Decimal | None = None
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()
    common_determination: str = ""
    forms: tuple[str, ...] = ()
    """Primary rules with slots (``reading.forms``) of series that no reading is built in for."""
    levels: tuple[str, ...] = ()
    """Levels before decisions, by day (``reading.level_changes``)."""

    def contradicted_by(self, texts: Iterable[str]) -> str:
        """Which phrase the live rules lack, or must not have; "" if they agree with the entry."""
        said = [plain(text).lower() for text in texts]
        for phrase in self.must_contain:
            if any(phrase.lower() not in text for text in said):
                return f'The rules do not say "{phrase}", which the registered terms ask for.'
        for phrase in self.must_not_contain:
            if any(phrase.lower() in text for text in said):
                return f'The rules say "{phrase}", which the registered terms rule out.'
        return ""
