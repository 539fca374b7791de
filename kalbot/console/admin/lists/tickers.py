"""Lists whose rows name a market by its ticker alone, without a relation: the outcome's title stands beside it and is searched too."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.admin.lists.columns import Column, titled
from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.links import page_url
from kalbot.console.ui.search import each
from kalbot.console.ui.tickers import named, title_of
from markets.models import Market

MOST_FOUND = 1_000


def ticker_column(field: str, title: str = "Market") -> Column:
    """A column with the outcome that ``field`` names, and its event; where it names none, what it says."""

    def shown(obj: Any) -> SafeString | str:
        text = getattr(obj, field)
        market = getattr(obj, "market_named", None)
        if market is None:
            return text or formats.NOTHING
        return titled(page_url("markets.market", market.pk), title_of(market), text)

    shown.__name__ = field
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description=title, ordering=field)(shown)


class TickerAdmin(ReadOnlyAdmin):
    """``ticker_field``: the column that holds the ticker. One query a page finds the titles."""

    ticker_field: ClassVar[str] = "ticker"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        named(found.result_list, self.ticker_field)
        return found

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        words = search_term.split()
        if not words:
            return found, duplicates
        outcomes = Market.objects.filter(each(Market, words, "yes_sub_title", "event__title"))
        tickers = list(outcomes.values_list("pk", flat=True)[:MOST_FOUND])
        keys = [f"{before}{ticker}" for before in self.before() for ticker in tickers]
        return found | queryset.filter(**{f"{self.ticker_field}__in": keys}), duplicates

    def before(self) -> list[str]:
        """What may stand before the ticker."""
        return [""]
