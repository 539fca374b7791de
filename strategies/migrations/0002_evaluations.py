"""Near misses count evaluations; help texts."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("strategies", "0001_initial")]

    operations = [migrations.RenameField("nearmiss", "looks", "evaluations")]
