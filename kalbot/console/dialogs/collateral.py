"""How collateral return is used on an account of the exchange: off, learning, on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminSelectWidget

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui import formats
from kalbot.console.ui.links import list_url
from trading.accounting import collateral_mode
from trading.models import ExchangeAccount


class CollateralForm(ReasonForm):
    """The mode, and for *on* without learning a person's word."""

    mode = forms.ChoiceField(
        label="Collateral return", choices=ExchangeAccount.Collateral.choices, widget=UnfoldAdminSelectWidget()
    )
    trust = forms.BooleanField(
        label="On without learning: I trust the model",
        required=False,
        help_text="A wrong reading is named at the next comparison of cash and stops new baskets.",
    )
    field_order = ["token", "mode", "trust", "reason"]


class ChooseCollateral(Dialog):
    """Switches it at the exchange and here; what is open keeps its rule."""

    name = "choose_collateral"
    title = "Collateral return"
    submit = "Use it so from now on"
    permission_required = "console.change_limits"
    form_class = CollateralForm

    def initial(self, pk: str) -> dict[str, Any]:
        return {"mode": get_object_or_404(ExchangeAccount, pk=pk).collateral}

    def brief(self, pk: str) -> Briefing:
        account = get_object_or_404(ExchangeAccount, pk=pk)
        example = collateral_mode.example() or collateral_mode.usual_example()
        return Briefing(
            version=account.collateral,
            target=f"subaccount {account.subaccount}",
            url=list_url("trading.exchangeaccount"),
            sentences=[
                "With it the exchange charges a NO basket what it can lose, not its price; sales and settlements take that back.",
                "Selling early may need cash. A subaccount of its own keeps that apart from everything else.",
                "Learning buys one smallest basket leg by leg and compares the account's cash with the model.",
                example,
            ],
            numbers=[
                ("Now", account.get_collateral_display()),
                ("Cash at the exchange", formats.money(account.balance)),
                ("Learnt", "yes" if account.collateral_reading else "not yet"),
            ],
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        account = get_object_or_404(ExchangeAccount, pk=pk)
        return collateral_mode.choose(account, form.cleaned_data["mode"], trust=form.cleaned_data["trust"])
