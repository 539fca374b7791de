"""Profiles whose most outcomes are the twelve of the first version, and never were anything else, take wide events too.

Nobody chose that number: it was the default, and since legs bought are bounded by the account's write rate it only hid events. A profile in
whose history the number was ever another keeps it. The change is in the profile's history, with a note.
"""

from django.db import migrations
from django.utils import timezone

FIRST_DEFAULT, DEFAULT = 12, 400
NOTE = "Most outcomes raised from the first version's default of 12 to 400 by an upgrade."


def raise_untouched(apps, schema_editor):
    Profile, History = apps.get_model("strategies", "Profile"), apps.get_model("strategies", "HistoricalProfile")
    for profile in Profile.objects.filter(max_outcomes=FIRST_DEFAULT):
        if History.objects.filter(id=profile.pk).exclude(max_outcomes=FIRST_DEFAULT).exists():
            continue
        profile.max_outcomes = DEFAULT
        profile.save(update_fields=["max_outcomes"])
        columns = {field.attname: getattr(profile, field.attname) for field in Profile._meta.concrete_fields}
        History.objects.create(
            **columns, history_date=timezone.now(), history_type="~", history_change_reason=NOTE[:100]
        )


class Migration(migrations.Migration):
    dependencies = [("strategies", "0013_decision_trace")]

    operations = [migrations.RunPython(raise_untouched, migrations.RunPython.noop)]
