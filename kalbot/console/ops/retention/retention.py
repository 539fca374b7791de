"""How long each table's rows are kept: what is deleted when, and for every other table why it has no end or who ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet

from backtest.models import BacktestRun, Study, TriedSetting
from kalbot.common import clock
from kalbot.console.models import EquitySample, LogRecord, Notification, TaskRecord
from kalbot.console.ops.retention import settled
from markets.models import ExchangeMessage, Scan, TapeGap
from strategies.models import Cycle, NearMiss, Screening, Verdict
from trading.models import Reconciliation
from triage.models import Assessment

YEAR_DAYS: Final = settled.ROWS_DAYS
MONEY: Final = "money: what was decided, sent, filled, booked or found is never deleted"
BY_PEOPLE: Final = "one row for each act of a person"
REWRITTEN: Final = "rewritten: as many rows as there are things that they are about"
WITH_EVENT: Final = "goes with its event, market or family"
WITH_OWNER: Final = "goes with the row that it belongs to"
LEARNED: Final = "what triage and capital learn from, and what a decision names; a few rows a day"
KEPT: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            *(
                "trading.AccountTransaction",
                "trading.ForeignOrder",
                "trading.Position",
                "trading.Leg",
                "trading.Denial",
            ),
            *("trading.PositionEvent", "trading.ExitRequest", "trading.Order", "trading.Fill", "trading.PaperOrder"),
            *("trading.MarkOut", "trading.CapitalChange", "trading.LedgerTransaction", "trading.LedgerEntry"),
            *("trading.Settlement", "trading.Correction", "trading.Lock", "trading.Discrepancy", "strategies.Decision"),
        ),
        MONEY,
    ),
    **dict.fromkeys(
        (
            *("console.Channel", "console.Rule", "console.ApiToken", "console.Act", "admin.LogEntry", "auth.Group"),
            *("auth.User", "strategies.EventApproval", "strategies.Profile", "strategies.HistoricalProfile"),
            *("otp_totp.TOTPDevice", "otp_static.StaticDevice", "otp_static.StaticToken", "console.Preference"),
            *("markets.ReviewedSeries", "markets.ContractTerms", "markets.TermsChange", "backtest.CalibrationReport"),
        ),
        BY_PEOPLE,
    ),
    **dict.fromkeys(
        (
            *("console.Cursor", "auth.Permission", "contenttypes.ContentType", "markets.Series", "markets.FeeChange"),
            *("markets.ExchangeSchedule", "markets.Watch", "markets.Installation", "markets.RefusedFamily"),
            *("strategies.SettlingTime", "strategies.Opportunity", "strategies.Hurdle", "strategies.VerdictVersion"),
            *(
                "strategies.ProbabilityCorrection",
                "strategies.FamilyGate",
                "strategies.QuoteRecord",
                "trading.ExchangeAccount",
            ),
            *("trading.ShardCash", "trading.LiveEventClaim", "trading.ProfileBalance", "trading.TradingState"),
            *("django_celery_beat.SolarSchedule", "django_celery_beat.IntervalSchedule"),
            *("django_celery_beat.ClockedSchedule", "django_celery_beat.CrontabSchedule"),
            *("django_celery_beat.PeriodicTasks", "django_celery_beat.PeriodicTask"),
            *(
                "axes.AccessAttempt",
                "axes.AccessLog",
                "axes.AccessFailureLog",
            ),  # the first for minutes, the others not at all
        ),
        REWRITTEN,
    ),
    **dict.fromkeys(("markets.Market", "markets.Certificate", "markets.FamilyMember"), WITH_EVENT),
    **dict.fromkeys(("console.Delivery", "triage.Baseline", "triage.Recommendation"), WITH_OWNER),
    **dict.fromkeys(("triage.SourceForecast", "triage.PointForecast", "triage.LearnedErrors"), LEARNED),
}
"""Tables of which ``old_rows`` names no rows, with the reason."""


def old_rows() -> dict[str, QuerySet[Any]]:
    """What may be forgotten, by name."""

    def before(**age: int) -> Any:
        return clock.now() - timedelta(**age)

    later_good = Reconciliation.objects.filter(
        mode=OuterRef("mode"), error="", started_at__gt=OuterRef("started_at")
    )  # the next comparison begins where the last good one did
    return {
        "cycles": Cycle.objects.filter(started_at__lt=before(days=2), decisions=0),
        "screenings": Screening.objects.filter(at__lt=before(days=14)),
        "scans": Scan.objects.filter(started_at__lt=before(days=14)),
        "verdicts": Verdict.objects.filter(event__is_open=False, updated_at__lt=before(days=7)),
        "near misses": NearMiss.objects.filter(ended_at__lt=before(days=60)),
        "messages": ExchangeMessage.objects.filter(applied_at__lt=before(days=14)),
        "assessments": Assessment.objects.filter(at__lt=before(days=3), advice="hold", position__ended_at=None)
        | Assessment.objects.filter(at__lt=before(days=90)),
        "reconciliations": Reconciliation.objects.filter(
            Exists(later_good), started_at__lt=before(days=30), differences=0, discrepancies=None
        ),
        "ended events": settled.forgettable(),
        "gaps of tapes": TapeGap.objects.filter(ended_at__lt=before(days=YEAR_DAYS)),
        "equity": EquitySample.objects.filter(at__lt=before(days=YEAR_DAYS)),
        "studies": Study.objects.filter(created_at__lt=before(days=YEAR_DAYS)),
        "tried settings": TriedSetting.objects.filter(at__lt=before(days=YEAR_DAYS)),
        "backtest runs": BacktestRun.objects.filter(
            created_at__lt=before(days=YEAR_DAYS), study=None, studies=None, after=None
        ),
        "sessions": Session.objects.filter(expire_date__lt=before(days=1)),
        "tasks": TaskRecord.objects.filter(
            Q(started_at__lt=before(days=14)) | Q(started_at__lt=before(days=1), status="done")
        ),
        "notifications": Notification.objects.filter(at__lt=before(days=90)),
        "log": LogRecord.objects.filter(at__lt=before(days=14)),
    }
