"""Earlier versions seeded an active live profile. One that nobody has touched since is switched off, with a note in its history."""

from django.db import migrations
from django.utils import timezone

NOTE = "switched off by the upgrade: it was seeded, not taken live by a person"
SEEDED_CAPITAL = 10_000_000_000


def switch_off(apps, schema_editor):
    Profile = apps.get_model("strategies", "Profile")
    History = apps.get_model("strategies", "HistoricalProfile")
    seeded = Profile.objects.filter(name="live", mode="live", is_active=True, capital=SEEDED_CAPITAL, shadow_of=None)
    for profile in seeded:
        rows = History.objects.filter(id=profile.pk)
        if rows.exclude(history_user=None).exists() or rows.exclude(history_type="+").exists():
            continue  # a person made it, or has changed it since
        Profile.objects.filter(pk=profile.pk).update(is_active=False)
        profile.is_active = False
        columns = {field.attname: getattr(profile, field.attname) for field in Profile._meta.concrete_fields}
        History.objects.create(
            **columns, history_date=timezone.now(), history_type="~", history_change_reason=NOTE
        )


class Migration(migrations.Migration):
    dependencies = [("strategies", "0003_help_texts")]
    operations = [migrations.RunPython(switch_off, migrations.RunPython.noop)]
