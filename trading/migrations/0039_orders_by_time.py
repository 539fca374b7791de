from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('strategies', '0024_quote_bands'),
        ('trading', '0038_broken_baskets'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['profile', 'created_at'], name='orders_of_a_profile_by_time'),
        ),
    ]
