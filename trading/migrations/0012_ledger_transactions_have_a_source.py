from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0011_ledger_sources_of_old_rows'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='ledgertransaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('fill__isnull', False), ('kind', 'fill')), models.Q(('kind__in', ['settlement', 'reversal']), ('settlement__isnull', False)), models.Q(('correction__isnull', False), ('kind', 'correction')), models.Q(('capital_change__isnull', False), ('kind', 'deposit')), models.Q(('kind__in', ['reserve', 'release']), ('position__isnull', False)), _connector='OR'), name='ledger_transaction_has_a_source'),
        ),
    ]
