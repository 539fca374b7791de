"""When advice becomes an exit without a person. The default is never.

A profile's policy: ``advise`` (default), ``market`` (exit on market reasons) or ``any`` (also on what a source says, once
that source's record has passed the sequential test at the profile's level). Whatever the policy:

- the position has not opted out, has been held for the profile's least time, and all of it can be sold now;
- leaving gains at least the profile's minimum, by the prices of this very assessment (a negative minimum means: willing to pay);
- the recommendation has stood since an earlier assessment, so that one odd price does not sell a position.

An exit that the policy accepted and that goes on waiting for bids is assessed like an open position: advice that stands names its least
prices again, and once the reason is seen to have gone the exit ends with that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from kalbot.common import clock
from kalbot.common.units import PPM, format_money
from strategies.models import Profile
from trading import states
from trading.closing import exits, waiting
from trading.models import ACTIVE, Position, PositionStatus
from triage.advice import accept, advice_of, could_see, gain_of
from triage.assessment.assess import Assessed
from triage.assessment.gather import Gathered
from triage.models import Recommendation
from triage.scoring.forecasts import evidence_of

CONFIRM: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ExitProposal:
    """May this recommendation be carried out by itself? Money in micro-dollars."""

    policy: str
    source: str
    gain: int | None
    complete: bool
    opted_out: bool
    held_for: timedelta
    stood_for: timedelta
    min_gain: int
    min_hold: timedelta
    evidence: float
    needed_evidence: float


def refusal(proposal: ExitProposal) -> str | None:
    """None if the exit may go ahead, else why not, in words."""
    if proposal.policy == Profile.TriagePolicy.ADVISE:
        return "the profile's policy is to advise only"
    if proposal.opted_out:
        return "the position has opted out of automatic exits"
    if proposal.held_for < proposal.min_hold:
        return f"held for {proposal.held_for.total_seconds():.0f} s, the least is {proposal.min_hold.total_seconds():.0f} s"
    if not proposal.complete:
        return "not all of it can be sold now"
    if proposal.gain is None or proposal.gain < proposal.min_gain:
        gain = "unknown" if proposal.gain is None else f"${format_money(proposal.gain)}"
        return f"the gain is {gain}, the least is ${format_money(proposal.min_gain)}"
    if proposal.source != "market":
        if proposal.policy != Profile.TriagePolicy.ANY:
            return "the profile's policy exits on market reasons only"
        if proposal.evidence < proposal.needed_evidence:
            return f"evidence for {proposal.source} is {proposal.evidence:.2f}, it needs {proposal.needed_evidence:.2f}"
    if proposal.stood_for < CONFIRM:
        return "not yet confirmed by a second assessment"
    return None


def act(item: Gathered, result: Assessed) -> int:
    """Request an exit if the profile's policy allows it; 1 if it did. Notes on each recommendation why not."""
    if item.position.status == PositionStatus.EXITING and not _goes_on(item, result):
        return 0
    if item.profile.triage_policy == Profile.TriagePolicy.ADVISE or result.advice != "exit":
        return 0
    wanted = {s.code: s for s in result.signals if advice_of(s, result, item) == "exit"}
    open_rows = Recommendation.objects.filter(
        position=item.position, status=Recommendation.Status.OPEN, reason__in=list(wanted)
    )
    denied = exits.why_not(item.position)
    for row in open_rows.order_by("opened_at"):
        proposal = _proposal(item, result, row, gain_of(wanted[row.reason], result), clock.now())
        why_not = refusal(proposal) if denied is None else denied.code.sentence
        if why_not is None:
            try:
                return int(accept(row.pk, actor="triage", reason=f"{row.reason}: {row.detail}"[:300]))
            except exits.CannotExit as refused:
                why_not = refused.code.sentence
        if row.policy != why_not[:300]:
            Recommendation.objects.filter(pk=row.pk).update(policy=why_not[:300])
    return 0


def _goes_on(item: Gathered, result: Assessed) -> bool:
    """Whether the exit that waits is the policy's own, whose least prices may be named again. It is withdrawn once its reason could be seen
    and is not there any more, nor another one."""
    request = exits.open_request(item.position)
    if request is None or request.actor != waiting.TRIAGE:
        return False
    taken = Recommendation.objects.filter(position=item.position, status=Recommendation.Status.ACCEPTED)
    last = taken.order_by("-closed_at", "-pk").first()
    if last is None or result.advice == "exit" or not (result.can_leave and could_see(last, result)):
        return True
    exits.withdraw(item.position.pk, actor=waiting.TRIAGE, reason=f"{last.reason} is no reason any more")
    return False


def _proposal(item: Gathered, result: Assessed, row: Recommendation, gain: int | None, now: datetime) -> ExitProposal:
    profile, position = item.profile, item.position
    return ExitProposal(
        policy=profile.triage_policy,
        source=row.source,
        gain=gain,
        complete=result.can_leave,
        opted_out=position.triage_opt_out,
        held_for=now - (position.opened_at or position.created_at),
        stood_for=now - row.opened_at,
        min_gain=profile.triage_min_gain,
        min_hold=timedelta(seconds=profile.triage_min_hold_seconds),
        evidence=0.0 if row.source == "market" else evidence_of(row.source),
        needed_evidence=profile.triage_evidence_ppm / PPM,
    )


def set_opt_out(position_id: int, *, out: bool, actor: str, reason: str) -> bool:
    """Record that triage may advise on a position but never exit it by itself, or take that back.

    False if the position has ended or already says so.
    """
    with transaction.atomic():
        rows = Position.objects.filter(pk=position_id, status__in=ACTIVE, triage_opt_out=not out)
        if not rows.update(triage_opt_out=out):
            return False
        words = "triage may not exit it by itself" if out else "triage may exit it where the profile allows"
        states.note(Position.objects.get(pk=position_id), f"{words}: {reason}", actor=actor)
    return True
