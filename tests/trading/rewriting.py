"""A twin whose answers a test changes on their way: another order is named, an execution is listed twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tests.trading.struck import Striking, StruckTwin

Body = dict[str, Any]
ORDERS = ("POST", "/portfolio/events/orders")
FILLS = ("GET", "/portfolio/fills")


class Rewriting(Striking):
    """``rewrite``: (method, end of the path) -> what becomes of the body of the answer."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rewrite: dict[tuple[str, str], Callable[[Body], None]] = {}

    def send(self, request: Any, **kwargs: Any) -> Any:
        response = super().send(request, **kwargs)
        for (method, end), change in self.rewrite.items():
            if request.method == method and request.url.split("?")[0].endswith(end):
                body = msgspec.json.decode(response.raw.read())
                change(body)
                response.raw.seek(0)
                response.raw.truncate()
                response.raw.write(msgspec.json.encode(body))
                response.raw.seek(0)
        return response


class RewritingTwin(StruckTwin):
    session: Rewriting
