"""The operations of the API. ``/api/v1/openapi.json`` describes them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from django.http import HttpRequest
from ninja import NinjaAPI

from kalbot.common.errors import KalbotError
from kalbot.console.api import exits, reads, requested, shapes
from kalbot.console.api.tokens import Bearer, require
from kalbot.console.api.writes import once
from kalbot.console.dialogs.exits import on_its_way
from kalbot.console.dialogs.halt import stays_naked
from kalbot.console.pages.home import obstacles
from strategies.models import NearMiss
from trading.models import ACTIVE, Position
from trading.safety import halt
from triage import advice
from triage.models import Advice, Recommendation

api = NinjaAPI(title="Kalbot", version="1", auth=Bearer(), urls_namespace="api", docs_url=None)
api.add_router("", exits.router)
MOST = 500


@api.get("/status", response=shapes.StatusOut, summary="Is it safe, is it working")
def status(request: HttpRequest) -> shapes.StatusOut:
    require(request, "trading.view_tradingstate")
    return reads.system()


@api.get("/profiles", response=list[shapes.ProfileOut], summary="Profiles with what they have at work")
def profiles(request: HttpRequest) -> list[shapes.ProfileOut]:
    require(request, "strategies.view_profile")
    return reads.profiles()


@api.get("/positions", response=list[shapes.PositionOut], summary="Positions, latest first")
def positions(
    request: HttpRequest,
    state: Literal["active", "ended", "all"] = "active",
    profile: str = "",
    mode: Literal["", "sim", "live"] = "",
    limit: int = 100,
) -> list[shapes.PositionOut]:
    require(request, "trading.view_position")
    rows = Position.objects.select_related("event", "profile").order_by("-id")
    if state != "all":
        rows = rows.filter(status__in=ACTIVE) if state == "active" else rows.exclude(status__in=ACTIVE)
    rows = rows.filter(profile=chosen) if (chosen := requested.profile(profile)) else rows
    rows = rows.filter(mode=mode) if mode else rows
    return reads.positions(rows[: max(1, min(limit, MOST))])


@api.get("/positions/{int:pk}", response=shapes.PositionDetail, summary="One position with legs and history")
def position(request: HttpRequest, pk: int) -> shapes.PositionDetail:
    require(request, "trading.view_position")
    return reads.position_detail(requested.row(Position.objects.select_related("event", "profile"), pk))


@api.get("/why/{event}", response={200: shapes.WhyOut, **shapes.PROBLEMS}, summary="Why an event is bought or not")
def why(request: HttpRequest, event: str, profile: str) -> shapes.WhyOut:
    require(request, "strategies.view_verdict")
    return reads.why(event, requested.wanted_profile(profile))


@api.get("/near-misses", response=list[shapes.NearMissOut], summary="Open near misses, the nearest first")
def near_misses(request: HttpRequest, profile: str = "", limit: int = 100) -> list[shapes.NearMissOut]:
    require(request, "strategies.view_nearmiss")
    rows = NearMiss.objects.filter(ended_at=None).select_related("profile").order_by("distance_ppm")
    rows = rows.filter(profile=chosen) if (chosen := requested.profile(profile)) else rows
    return [reads.near_miss(row) for row in rows[: max(1, min(limit, MOST))]]


@api.get("/pnl", response=list[shapes.PnlOut], summary="Profit by profile, one mode at a time")
def pnl(request: HttpRequest, mode: Literal["sim", "live"]) -> list[shapes.PnlOut]:
    require(request, "trading.view_position")
    return reads.pnl(mode)


@api.get("/results", response=list[shapes.ResultOut], summary="What each profile made in a period or in whole days")
def results(
    request: HttpRequest,
    period: Literal["day", "week", "month", "year", "all"] = "month",
    first: date | None = None,
    last: date | None = None,
    profile: str = "",
) -> list[shapes.ResultOut]:
    require(request, "trading.view_position")
    require(request, "trading.view_ledgertransaction")
    requested.profile(profile)
    return reads.results_of(period, first, last, profile)


@api.get("/equity", response=list[shapes.EquityOut], summary="What a profile was worth, hour by hour")
def equity(
    request: HttpRequest,
    profile: str,
    period: Literal["day", "week", "month", "year", "all"] = "month",
    first: date | None = None,
    last: date | None = None,
) -> list[shapes.EquityOut]:
    require(request, "trading.view_position")
    require(request, "trading.view_ledgertransaction")
    return reads.equity_of(period, first, last, requested.wanted_profile(profile))


@api.get("/recommendations", response=list[shapes.RecommendationOut], summary="Open advice of triage")
def recommendations(request: HttpRequest) -> list[shapes.RecommendationOut]:
    require(request, "triage.view_recommendation")
    rows = Recommendation.objects.filter(status=Recommendation.Status.OPEN).select_related("position")
    return [reads.recommendation(row) for row in rows.order_by("-id")[:MOST]]


@api.post("/halt", response={200: shapes.Done, **shapes.PROBLEMS}, summary="Stop new risk, or stop everything")
def stop(request: HttpRequest, body: shapes.HaltIn) -> shapes.Done:
    profile = requested.profile(body.profile or "")
    cancels = body.level == "halted"

    def act(actor: str) -> str:
        halt.set_state(
            state=body.level,
            actor=actor,
            reason=body.reason,
            profile=profile,
            cancel_resting=cancels,
            may_loosen=False,
        )
        naked = f" {stays_naked(profile)}" if cancels else ""
        return f"{profile or 'All profiles'}: {body.level}.{naked}"

    target = f"{profile or 'all profiles'}: {body.level}"
    return once(request, name="halt", permission="console.halt", target=target, reason=body.reason, act=act)


@api.post("/resume", response={200: shapes.Done, **shapes.PROBLEMS}, summary="Let new baskets be bought again")
def resume(request: HttpRequest, body: shapes.ResumeIn) -> shapes.Done:
    profile = requested.profile(body.profile or "")

    def act(actor: str) -> str:
        halt.set_state(state=body.level, actor=actor, reason=body.reason, profile=profile)
        stops = obstacles.still_stopped(profile) if body.level == "active" else ""
        return f"{profile or 'All profiles'}: {body.level}. {stops}".strip()

    target = str(profile or "all profiles") if body.level == "active" else f"{profile or 'all profiles'}: {body.level}"
    return once(request, name="resume", permission="console.resume", target=target, reason=body.reason, act=act)


@api.post(
    "/recommendations/{int:pk}/{answer}", response={200: shapes.Done, **shapes.PROBLEMS}, summary="Accept or dismiss"
)
def answer_advice(
    request: HttpRequest, pk: int, answer: Literal["accept", "dismiss"], body: shapes.Because
) -> shapes.Done:
    row = requested.row(Recommendation.objects.select_related("position__profile"), pk)

    def accept(actor: str) -> str:
        if row.advice != Advice.EXIT:
            raise KalbotError("This advice is to watch, not to exit.")
        try:
            done = advice.accept(pk, actor=actor, reason=f"accepted advice: {body.reason}")
        except ValueError as error:
            raise KalbotError(str(error)) from error
        if not done:
            raise KalbotError("This advice is closed.")
        what = f"Accepted; the exit of position #{row.position_id}"
        return on_its_way(what, row.position.profile, "its page follows it")

    def dismiss(actor: str) -> str:
        if not advice.dismiss(pk, actor=actor, reason=body.reason):
            raise KalbotError("This advice is closed.")
        return "Dismissed; the position stays as it is."

    return once(
        request,
        name=f"{answer}_advice",
        permission="console.answer_triage",
        target=f"recommendation {pk}",
        reason=body.reason,
        act=accept if answer == "accept" else dismiss,
    )
