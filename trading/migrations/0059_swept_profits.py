"""What was swept before profiles had a column of it."""

from django.db import migrations
from django.db.models import Sum


def count(apps, schema_editor):
    profiles = apps.get_model("strategies", "Profile")
    swept = apps.get_model("trading", "CapitalChange").objects.filter(kind="sweep").values_list("profile")
    for profile, amount in swept.annotate(total=Sum("amount")).order_by():
        profiles.objects.filter(pk=profile).update(swept=-amount)


class Migration(migrations.Migration):
    dependencies = [
        ("strategies", "0033_swept_profits"),
        ("trading", "0058_falls_of_a_queue"),
    ]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
