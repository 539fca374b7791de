"""Refusals in the three body shapes of docs/kalshi-protocol.md 9.10."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refused request. ``shape``: nested (usual), flat (JSON that cannot be decoded), bare (query validation)."""

    def __init__(self, status: int, code: str, message: str, details: str | None = None, shape: str = "nested") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.details, self.shape = status, code, message, details, shape

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        if self.shape == "bare":
            return {"msg": self.message}
        inner = self.inner()
        return inner if self.shape == "flat" else {"error": inner}

    def inner(self) -> dict[str, Any]:
        """code, message and details: the nested object, also used for the items of a batch."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details is not None:
            found["details"] = self.details
        return found


class ActionError(Exception):
    """A control action that cannot be carried out; the message is one sentence."""


class RequestTimedOut(Exception):
    """A fault: the caller never gets an answer. ``committed`` says whether the request took effect."""

    def __init__(self, committed: bool) -> None:
        super().__init__("no answer")
        self.committed = committed


def bad_query(message: str) -> ApiError:
    return ApiError(400, "bad_request", message, shape="bare")


def invalid(message: str, details: str | None = None) -> ApiError:
    return ApiError(400, "invalid_parameters", message, details)


def not_found(message: str = "not found") -> ApiError:
    return ApiError(404, "not_found", message)
