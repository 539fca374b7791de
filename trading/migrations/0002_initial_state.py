"""A new installation may trade (in sim; live has two switches of its own). Without this row everything is halted."""

from django.db import migrations


def begin_active(apps, schema_editor):
    state = apps.get_model("trading", "TradingState")
    state.objects.get_or_create(
        scope="global", defaults={"state": "active", "actor": "migration", "reason": "initial state"}
    )


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial")]

    operations = [migrations.RunPython(begin_active, migrations.RunPython.noop)]
