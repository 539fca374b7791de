"""Ledger transactions that were booked before they had a source get it from their keys."""

from django.db import migrations


def link(apps, schema_editor):
    booked = apps.get_model("trading", "LedgerTransaction")
    fills = {(f.mode, str(f.order_id), f.trade_id): f.pk for f in apps.get_model("trading", "Fill").objects.all()}
    settled = {(s.leg_id, s.version): s.pk for s in apps.get_model("trading", "Settlement").objects.all()}
    change = apps.get_model("trading", "CapitalChange")
    for row in booked.objects.exclude(kind__in=["reserve", "release"]):
        kind, _, rest = row.key.partition(":")
        if kind == "fill":
            mode, order, trade = rest.split(":", 2)
            row.fill_id = fills[mode, order, trade]
        elif kind in ("settlement", "reversal"):
            leg, _, version = rest.partition(":")
            row.settlement_id = settled[int(leg), int(version)]
        elif kind == "deposit":
            entry = row.entries.get(account="cash")
            actor = row.memo.removeprefix("by ") or "kalbot"
            made = change.objects.create(profile_id=row.profile_id, amount=entry.amount, actor=actor)
            change.objects.filter(pk=made.pk).update(at=row.at)
            row.capital_change_id = made.pk
        row.save(update_fields=["fill", "settlement", "capital_change"])


class Migration(migrations.Migration):
    dependencies = [("trading", "0010_ledger_sources")]

    operations = [migrations.RunPython(link, migrations.RunPython.noop)]
