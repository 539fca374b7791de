"""Profiles, what they think of every event, and the decisions they take.

Units are in the names or the help: prices 1/10,000 dollar, counts 1/100 contract, money micro-dollars, ``_ppm`` millionths.
"""

from strategies.models.approval import EventApproval
from strategies.models.capital import Hurdle, Opportunity, SettlingTime
from strategies.models.corrections import FamilyGate, ProbabilityCorrection
from strategies.models.decision import Decision
from strategies.models.kinds import Kind, Mode
from strategies.models.profile import DOLLAR, Profile
from strategies.models.quotes import QuoteRecord
from strategies.models.verdicts import Cycle, NearMiss, Screening, Verdict, VerdictVersion

__all__ = [
    "DOLLAR",
    "Cycle",
    "Decision",
    "EventApproval",
    "FamilyGate",
    "Hurdle",
    "Kind",
    "Mode",
    "NearMiss",
    "Opportunity",
    "ProbabilityCorrection",
    "Profile",
    "QuoteRecord",
    "Screening",
    "SettlingTime",
    "Verdict",
    "VerdictVersion",
]
