"""What people can do from the console, each a Dialog. Imported late (by the site's addresses), so that lists can import single ones."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "exits": ["ForceExit", "WithdrawExit"],
    "quotes": ["WithdrawQuote"],
    "exit_several": ["ExitSeveral"],
    "halt": ["Halt", "Resume"],
    "discrepancies": ["ResolveDiscrepancy"],
    "locks": ["RemoveLock"],
    "advice": ["AcceptAdvice", "DismissAdvice", "OptOut"],
    "approvals": ["ApproveEvent"],
    "certificates": ["GrantCertificate", "RevokeCertificate"],
    "terms": ["ApproveTerms", "WithdrawTerms"],
    "clone": ["CloneProfile"],
    "collateral": ["ChooseCollateral"],
    "golive": ["GoLive"],
    "twin": ["MakeTwin"],
    "factor": ["RemoveSecondFactor"],
    "channels": ["TestChannel"],
}


def __getattr__(name: str) -> Any:
    if name != "DIALOGS":
        raise AttributeError(name)
    return [
        getattr(import_module(f"{__name__}.{module}"), dialog)
        for module, dialogs in _WHERE.items()
        for dialog in dialogs
    ]
