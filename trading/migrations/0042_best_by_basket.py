"""The best result of each profile once more, basket by basket: it had been taken between the legs of one basket too."""

from typing import Any

from django.db import migrations


def again(apps: Any, schema_editor: Any) -> None:
    """The highest sum of whole baskets, each at its last booking; what belongs to no basket stands alone."""
    entries = apps.get_model("trading", "LedgerEntry").objects.filter(account="realised")
    balances = apps.get_model("trading", "ProfileBalance").objects
    for balance in balances.all():
        alone, whole = [], {}
        rows = entries.filter(transaction__profile=balance.profile_id).order_by("transaction__at", "id")
        for at, amount, position in rows.values_list("transaction__at", "amount", "transaction__position"):
            if position is None:
                alone.append((at, -amount))
            else:
                whole[position] = (at, whole.get(position, (at, 0))[1] - amount)
        total = best = 0
        for _, made in sorted([*alone, *whole.values()], key=lambda step: step[0]):
            total += made
            best = max(best, total)
        balances.filter(pk=balance.pk).update(best_equity=best)


class Migration(migrations.Migration):
    dependencies = [("trading", "0041_quotes_withdrawn_words")]

    operations = [migrations.RunPython(again, migrations.RunPython.noop)]
