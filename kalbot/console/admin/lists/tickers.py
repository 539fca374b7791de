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
from markets.models import Market

MOST_FOUND = 1_000


def ticker_column(field: str) -> Column:
    """A column with the outcome that ``field`` names, and its event."""

    def shown(obj: Any) -> SafeString | str:
        ticker = getattr(obj, field)
        market = getattr(obj, "_markets", {}).get(ticker)
        if market is None:
            return ticker or formats.NOTHING
        title = f"{market.yes_sub_title or ticker}: {market.event.title}"
        return titled(page_url("markets.market", ticker), title, ticker)

    shown.__name__ = field
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description="Market", ordering=field)(shown)


class TickerAdmin(ReadOnlyAdmin):
    """``ticker_field``: the column that holds the ticker. One query a page finds the titles."""

    ticker_field: ClassVar[str] = "ticker"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        tickers = {getattr(row, self.ticker_field) for row in found.result_list}
        markets = {one.pk: one for one in Market.objects.filter(pk__in=tickers).select_related("event")}
        for row in found.result_list:
            row._markets = markets
        return found

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        words = search_term.split()
        if not words:
            return found, duplicates
        named = Market.objects.filter(each(Market, words, "yes_sub_title", "event__title")).values_list("pk", flat=True)
        return found | queryset.filter(**{f"{self.ticker_field}__in": list(named[:MOST_FOUND])}), duplicates
