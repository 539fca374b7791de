"""Mutations that stood for a fault that cost money somewhere: each must be noticed by a test that runs every time.

A change is a text of the module that occurs once, and what stands there instead, on as many lines. Where the code moves on, the text moves
with it (a test compares).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """One fault: ``old`` in ``path`` becomes ``new``."""

    what: str
    path: str
    old: str
    new: str


COMPLETE = "trading/execution/phases/complete.py"
RESUME = "trading/execution/phases/resume.py"
RISK = "trading/limits/risk.py"
SETTLEMENT = "trading/closing/settlement.py"
RECHECK = "trading/execution/sizing/recheck.py"
UNWIND = "trading/execution/phases/unwind.py"
GATE = "trading/execution/orders/gate.py"
SELLING = "trading/execution/phases/selling.py"
LADDER = "trading/execution/orders/sell_ladder.py"
FOREIGN = "trading/reconciliation/foreign.py"
DISCREPANCIES = "trading/safety/discrepancies.py"

KNOWN: tuple[Known, ...] = (
    Known(
        "a purchase that completes asks for the whole leg, not for what it lacks",
        COMPLETE,
        "lacking = [(leg, baskets.missing(leg, target, position.target_count)) for leg in legs]",
        "lacking = [(leg, baskets.needed(target, leg.target_count, position.target_count)) for leg in legs]",
    ),
    Known(
        "completing at any loss",
        "trading/execution/phases/rescue.py",
        "if result <= instead or result < -leg_risk.left(position):",
        "if result <= instead:",
    ),
    Known(
        "what a purchase did not get is tried again on the same book",
        COMPLETE,
        "if not exhausted and not rests and position.attempts and tried.at_limits(position, lacking, orders):",
        "if False:",
    ),
    Known(
        "an unwind goes back to completing again and again on the same books",
        RESUME,
        "if again is not None and again.data.get(BOOKS) == shown:",
        "if False:",
    ),
    Known(
        "a basket is completed above its limits on a book that was tried at that price",
        "trading/execution/phases/rescue.py",
        "if tried.on_these_books(position, prices, inflight.orders_of(position)):",
        "if False:",
    ),
    Known(
        "one of two legs that pay together is sold alone in part",
        "trading/closing/exits.py",
        "if naked or left.grade is Grade.CONDITIONAL:",
        "if naked:",
    ),
    Known(
        "of legs that pay together one is sold as far as its bids go",
        "trading/execution/phases/exit.py",
        "shares = _shares_beside(position, legs, takes)",
        "shares = None",
    ),
    Known(
        "what an unwind sold is bought again at once",
        RESUME,
        "if not is_sold and not tried.at_limits(position, lacking, orders) and _fits_its_limits(position, legs, orders):",
        "if not tried.at_limits(position, lacking, orders) and _fits_its_limits(position, legs, orders):",
    ),
    Known(
        "what was sold still counts as held when a basket is completed",
        "trading/execution/orders/inflight.py",
        "return max(0, bought(leg, orders) - max(sold, leg.sold_count))",
        "return max(0, bought(leg, orders))",
    ),
    Known(
        "completing reserves all of it again",
        "trading/accounting/ledger.py",
        "missing = amount - now.reserved",
        "missing = amount",
    ),
    Known(
        "the leg-risk budget is not shared over the legs",
        UNWIND,
        "allowed -= max(0, _loss_bound(leg, sale.count, sale.least, live))",
        "allowed -= 0",
    ),
    Known(
        "losses already taken are forgotten",
        "trading/accounting/leg_risk.py",
        "return position.profile.leg_risk_budget + min(0, position.realised, -_lost_unwinding(position))",
        "return position.profile.leg_risk_budget",
    ),
    Known(
        "a purchase on a suspect book",
        RISK,
        "    if reason is not None:\n        raise Denied(reason, ",
        "    if False:\n        raise Denied(reason, ",
    ),
    Known(
        "a sale on a suspect book",
        SELLING,
        "return None if unusable is None else Refusal(unusable, leg.market_id)",
        "return None",
    ),
    Known(
        "freshness of a purchase's book a thousand times longer",
        RISK,
        "live.unusable(intent.tickers, intent.profile.max_price_age_ms)",
        "live.unusable(intent.tickers, intent.profile.max_price_age_ms * 1000)",
    ),
    Known(
        "freshness of a sale's book a thousand times longer",
        SELLING,
        "live.why_unusable(leg.market_id, position.profile.max_price_age_ms)",
        "live.why_unusable(leg.market_id, position.profile.max_price_age_ms * 1000)",
    ),
    Known("cleared for minutes after admission", RECHECK, "timedelta(milliseconds=250)", "timedelta(seconds=250)"),
    Known(
        "settled while an order of the same market is open",
        SETTLEMENT,
        "waiting = {_key(leg) for leg in ended if _has_open_order(leg)}",
        "waiting: set[Key] = set()",
    ),
    Known(
        "a leg is settled while its order is open",
        SETTLEMENT,
        "if not part or _has_open_order(leg):",
        "if not part:",
    ),
    Known(
        "settled before the exchange's record says so",
        SETTLEMENT,
        "if mode == Mode.SIM or not ready:",
        "if True:",
    ),
    Known("a purchase may wait an hour to be sent", GATE, "timedelta(seconds=5)", "timedelta(seconds=5000)"),
    Known("a sale may wait hours to be sent", GATE, "timedelta(seconds=20)", "timedelta(seconds=20000)"),
    Known(
        "an order leaves although its position has moved on",
        GATE,
        "if row.of_position != STATUS_OF.get(Order.Purpose(order.purpose)):",
        "if False:",
    ),
    Known(
        "an order leaves although another worker has taken over",
        GATE,
        "if order.lease_token and row.of_lease != order.lease_token:",
        "if False:",
    ),
    Known(
        "an order leaves although its exit was withdrawn",
        GATE,
        "if order.purpose == Order.Purpose.EXIT and not _is_requested(order):",
        "if False:",
    ),
    Known(
        "an order leaves under HALTED",
        GATE,
        "        risk.allows(halt.stricter(row.global_state, row.own_state), order.profile, reduces=reduces)",
        "        pass",
    ),
    Known(
        "a probe leaves under HALTED",
        GATE,
        "            risk.may_send(order.profile, reduces=True)",
        "            pass",
    ),
    Known(
        "rungs without a pause between them",
        SELLING,
        "if is_shown and ago >= RUNG_PAUSE:",
        "if True:",
    ),
    Known(
        "a sale below its least price",
        LADDER,
        "return max(least, bids[0][0] - RUNGS[min(attempt, len(RUNGS) - 1)])",
        "return bids[0][0] - RUNGS[min(attempt, len(RUNGS) - 1)]",
    ),
    Known(
        "a guaranteed basket is sold below its floor's worth",
        "trading/execution/phases/exit.py",
        "whole = bool(guaranteed_floor(position, legs)) and not request.below_floor",
        "whole = False",
    ),
    Known(
        "waiting uses up the rungs",
        SELLING,
        "states.schedule(position, at, waits=position.waits + 1, residual=text, residual_code=refusal.code)",
        "states.schedule(position, at, attempts=position.attempts + 1, residual=text, residual_code=refusal.code)",
    ),
    Known(
        "a fill that comes late is nobody's",
        "trading/reconciliation/late_fills.py",
        "count = sum(_tried(position_id) for position_id in sorted(ids))",
        "count = 0",
    ),
    Known(
        "an order answered with nothing is believed",
        "trading/execution/orders/inflight.py",
        "elif answer.fill_count > order.filled_count:",
        "elif False:",
    ),
    Known(
        "bought while an order of the account is unknown",
        RISK,
        "if found.unknown_order is not None:",
        "if False:",
    ),
    Known(
        "cash of a shard is promised beyond what is free",
        "trading/accounting/shard_cash.py",
        "if wanted <= found:",
        "if True:",
    ),
    Known(
        "bought beside somebody else's contracts",
        RISK,
        "        if words:\n            yield Refusal(DenialCode.FOREIGN_CONTRACTS, words)",
        "        if False:\n            yield Refusal(DenialCode.FOREIGN_CONTRACTS, words)",
    ),
    Known("the day's loss stops nothing", RISK, "if lost > 0 and lost >= profile.max_daily_loss:", "if False:"),
    Known("the limit of an event stops nothing", RISK, "if at_risk > profile.max_per_event:", "if False:"),
    Known(
        "a position left waiting buys for hours",
        "trading/execution/phases/buy.py",
        "TOO_LATE: Final = timedelta(seconds=20)",
        "TOO_LATE: Final = timedelta(seconds=20000)",
    ),
    Known(
        "a decision of hours ago is carried out",
        "trading/execution/admission.py",
        "LONGEST_WAIT: Final = timedelta(seconds=20)",
        "LONGEST_WAIT: Final = timedelta(seconds=20000)",
    ),
    Known(
        "the order that spends an id buys a contract",
        "trading/venues/wire.py",
        "SMALLEST: Final = Count(1)",
        "SMALLEST: Final = Count(100)",
    ),
    Known(
        "contracts of ours that a person sold stay in the leg",
        FOREIGN,
        "of_ours = min(closes - of_other, abs(ours) if ours * before > 0 else 0)",
        "of_ours = 0",
    ),
    Known(
        "an alarm stays silent when the amount changes",
        DISCREPANCIES,
        "        return known.amount == amount",
        "        return True",
    ),
    Known(
        "a difference of the account binds one profile only",
        DISCREPANCIES,
        "mine |= Q(mode=Mode.LIVE, code__in=OF_ACCOUNT) & account",
        "pass",
    ),
    Known(
        "completing is given up for what passes",
        COMPLETE,
        "if isinstance(sent, Refusal) and sent.code in passing.CODES and not _is_over(position, legs):",
        "if False:",
    ),
    Known(
        "a plan may use up the whole leg-risk budget",
        "trading/execution/sizing/planner.py",
        "PLANNED_SHARE: Final = (3, 5)",
        "PLANNED_SHARE: Final = (5, 5)",
    ),
    Known(
        "legs that somebody left without their basket are nobody's",
        "trading/reconciliation/late_fills.py",
        "    return is_unequal(position, legs)",
        "    return False",
    ),
    Known(
        "what a person broke of what they had kept is unwound or forgotten",
        "trading/accounting/residuals.py",
        "if not _is_more_alone(position.target_count, legs, changed):",
        "if True:",
    ),
    Known(
        "bought against what somebody holds of the other side to complete a basket",
        RISK,
        "_COMPLETING: Final[tuple[Check, ...]] = (_profile, _against_foreign)",
        "_COMPLETING: Final[tuple[Check, ...]] = (_profile,)",
    ),
    Known(
        "pairs that the exchange closed stay in both books",
        "trading/reconciliation/reconcile.py",
        "row.repaired += trades + others.close_pairs() + funding.book(moved)",
        "row.repaired += trades + funding.book(moved)",
    ),
    Known(
        "capital is set aside for a basket that has moved on",
        "trading/accounting/ledger.py",
        "        if now.status != position.status:",
        "        if False:",
    ),
    Known(
        "what somebody broke during a partial exit counts as kept on request",
        "trading/execution/phases/exit.py",
        "    if not meant:",
        "    if False:",
    ),
    Known(
        "an exit that sold one leg gives up for want of bids for the others",
        "trading/execution/phases/exit.py",
        "and not _leaves_alone(position, request)",
        "",
    ),
    Known(
        "an exit requested before a clock was set back waits for as long",
        "trading/sweeper.py",
        "ExitRequest.objects.filter(status=ExitRequest.Status.OPEN, created_at__gt=later).update(created_at=now)",
        "pass",
    ),
    Known(
        "a position that another sweep has just stepped is stepped again",
        "trading/sweeper.py",
        "    if not _STILL_DUE.rows(position=position_id, **_moments()):\n",
        "    if False:\n",
    ),
    Known(
        "a sweep steps purchases before exits",
        "trading/sweeper.py",
        "[*due_exits(), *(pk for",
        "[*(pk for",
    ),
    Known(
        "a settlement record that cannot be read is taken for none",
        "trading/closing/finals.py",
        "        if is_whole:\n",
        "        if True:\n",
    ),
    Known(
        "an execution of another market or direction is booked on our leg",
        "trading/accounting/position_booking.py",
        "if report.moves not in (None, order.moves):",
        "if False:",
    ),
    Known(
        "an order that is read as another one is believed",
        "trading/venues/live.py",
        "    said = contradiction(order, listed.ticker, listed.outcome_side, listed.client_order_id)\n",
        "    said = ''\n",
    ),
    Known(
        "an order that has our client id is ours, whatever else it is",
        "trading/venues/identity.py",
        "    if order.exchange_order_id and order.exchange_order_id == shown.order_id:\n",
        "    if shown.client_order_id == str(order.pk):\n",
    ),
    Known(
        "what an opening balance had is booked when it is listed at last",
        FOREIGN,
        "elif is_foreign and opening.is_early(fill.created, account):",
        "elif False:",
    ),
    Known(
        "an order that was never sent is believed to rest",
        "trading/venues/identity.py",
        "if order.status == OrderStatus.REJECTED and order.error_code in NEVER_LEFT:",
        "if False:",
    ),
    Known(
        "an order is withdrawn by an id that may be another one's",
        "trading/venues/live.py",
        "name, market = self._name(order), order.leg.market_id",
        "name, market = order.exchange_order_id, order.leg.market_id",
    ),
    Known(
        "an order that is listed as another one is brought up to date",
        "trading/reconciliation/reconcile.py",
        "if discrepancies.contradicts(row, order, theirs):",
        "if False:",
    ),
    Known(
        "a message that shows an order as another one changes it",
        "trading/reconciliation/inbox.py",
        "if said := contradiction(order, ticker, frame.outcome_side, frame.client_order_id or None):",
        "if said := '':",
    ),
    Known(
        "of a basket that is sold whole a leg is sold beyond what the ones before it sold",
        SELLING,
        "most = _most(sale, fit(sold)) if fit and sold else sale.count",
        "most = sale.count",
    ),
    Known(
        "newer advice replaces an exit before its patience is over",
        "trading/closing/waiting.py",
        "return is_waiting and is_patience_over and source",
        "return is_waiting and source",
    ),
    Known(
        "newer advice replaces what a person accepted",
        "trading/closing/waiting.py",
        "and first.actor in (TRIAGE, actor)",
        "",
    ),
    Known(
        "an exit sells what is sure of more by now at the prices of before",
        "trading/execution/phases/exit.py",
        "if whole and (position.quoting or _has_ended(legs)):",
        "if whole and position.quoting:",
    ),
    Known(
        "selling the rest may lose what completing in part has lost already",
        "trading/accounting/leg_risk.py",
        "return left(position) - lost_completing(position, legs)",
        "return left(position)",
    ),
    Known(
        "a quote is prolonged under HALT",
        GATE,
        '            raise Refused(DenialCode.EXPIRED, "the quote is not this worker\'s to prolong any more")\n'
        "        _may_leave(order, row, reduces=False)",
        '            raise Refused(DenialCode.EXPIRED, "the quote is not this worker\'s to prolong any more")\n        pass',
    ),
    Known(
        "an exit takes the cash that a quote is hedged with",
        "trading/accounting/sale_funds.py",
        "    others = others.filter(event__exchange_index=position.event.exchange_index).exclude(pk=position.pk)",
        '    others = others.filter(status="open").exclude(pk=position.pk)',
    ),
    Known(
        "a group that another basket is making counts as one's own",
        "trading/venues/groups.py",
        "if len(found) != 1 or before or _may_be_anothers(position, found[0]):",
        "if len(found) != 1 or before:",
    ),
    Known(
        "what was accepted stays silent after it was over",
        DISCREPANCIES,
        "filter(pk=row.pk, resolved_at__isnull=False).update(accepted=False)",
        "filter(pk=row.pk, resolved_at__isnull=False).count()",
    ),
    Known(
        "a basket is completed beyond what was bought before",
        COMPLETE,
        "        target = min(target, baskets.whole(has, leg.target_count, position.target_count))",
        "        has += 0",
    ),
    Known(
        "an unwind sells for less than the legs are sure to pay",
        UNWIND,
        "if unwound is None or least is None or unwound >= least or -least > leg_risk.left(position):",
        "if True:",
    ),
)
