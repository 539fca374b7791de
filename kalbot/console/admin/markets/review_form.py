"""The form in which a risk manager reviews a series: of a list of outcomes every two are stated to be two things."""

from __future__ import annotations

from typing import Any, Final

from kalbot.console.admin.lists.versions import SeenForm
from markets.models import ReviewedSeries
from markets.terms.reading.identity import SEPARATOR, open_pairs, stated_pairs

MOST_SHOWN: Final = 100


class ReviewForm(SeenForm):
    """Refuses a list of which two names may be one thing, and shows the pairs that are left to state."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        names = cleaned.get("outcome_names")
        if cleaned.get("shape") != ReviewedSeries.Shape.EXHAUSTIVE or "different" not in cleaned:
            return cleaned
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.add_error("outcome_names", "A list of names is wanted.")
            return cleaned
        stated = stated_pairs(cleaned["different"])
        left = [pair for pair in open_pairs(names) if frozenset(pair) not in stated]
        if left:
            self.add_error(
                "different",
                [
                    "Are these two things? Another party, person or country, not another word for it: add each line with the reason.",
                    *(f" {SEPARATOR} ".join((*pair, "")) for pair in left[:MOST_SHOWN]),
                    *([f"and {len(left) - MOST_SHOWN} more pairs"] if len(left) > MOST_SHOWN else []),
                ],
            )
        return cleaned
