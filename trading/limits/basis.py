"""What a decision rests on: its markets, their event's rules, the certificate. Whether that is still so."""

from __future__ import annotations

from collections.abc import Iterator

from markets import selectors
from markets.models import Event
from strategies.models import Kind
from trading.denials import DenialCode, Refusal
from trading.limits.intent import Intent


def refusals(intent: Intent) -> Iterator[Refusal]:
    """Everything that is not as the decision found it."""
    decision, legs = intent.decision, intent.markets
    if len(legs) < len(intent.tickers):
        yield Refusal(DenialCode.NOT_ACTIVE, "a market of the basket is not in the catalogue")
    if not legs:
        return
    event = legs[0].event if decision.kind != Kind.FAMILY else Event.objects.get(pk=decision.event_id)
    if decision.kind == Kind.ALL_NO and not event.mutually_exclusive:
        yield Refusal(DenialCode.NOT_EXCLUSIVE, event.ticker)
    if decision.rules_hash and decision.rules_hash != event.rules_hash:
        yield Refusal(DenialCode.RULES_CHANGED, f"the rules or outcomes of {event.ticker} changed since the decision")
    is_certified = intent.certified_rules is not None and intent.certified_rules == event.rules_hash
    if not is_certified and (decision.kind != Kind.COVERAGE or decision.certificate_id is not None):
        yield Refusal(DenialCode.CERTIFICATE, f"no valid certificate for {event.ticker}")
    if len({leg.exchange_index for leg in legs}) > 1:
        yield Refusal(DenialCode.SHARDS, "the legs are on different shards")
    strangers = {leg.event_id for leg in legs} - set(selectors.books_of(event))
    if strangers:
        yield Refusal(DenialCode.NOT_ACTIVE, f"{', '.join(sorted(strangers))} is no event of {event.ticker}")
    shut = [leg.ticker for leg in legs if leg.status != "active"]
    if shut:
        yield Refusal(DenialCode.NOT_ACTIVE, ", ".join(shut)[:200])
