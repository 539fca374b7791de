

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('markets', '0001_initial'),
        ('trading', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Assessment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('trigger', models.CharField(default='schedule', help_text='schedule, lifecycle, price, observation or person.', max_length=16)),
                ('advice', models.CharField(choices=[('hold', 'Hold'), ('watch', 'Watch'), ('exit', 'Exit')], max_length=5)),
                ('sell_now', models.BigIntegerField(help_text='Proceeds through the real bids after fees; empty = cannot be told.', null=True)),
                ('sell_fees', models.BigIntegerField(null=True)),
                ('sale_legs', models.JSONField(default=list, help_text='[{"ticker", "side", "held", "sold", "proceeds", "fees", "problem"}, ...]')),
                ('unsellable', models.JSONField(default=list, help_text='Legs that cannot be sold now, named.')),
                ('hold_expected', models.BigIntegerField(help_text='Probability x payout over the settlement states, by market prices.', null=True)),
                ('gain', models.BigIntegerField(help_text='Selling now less expected holding; what cannot be sold counts at its worth.', null=True)),
                ('floor', models.BigIntegerField(default=0, help_text='Least payout over every state still possible.')),
                ('best', models.BigIntegerField(default=0, help_text='Most payout over every state still possible.')),
                ('coverage_ppm', models.BigIntegerField(null=True)),
                ('break_even_ppm', models.BigIntegerField(help_text='Probability of a covered outcome at which selling equals holding.', null=True)),
                ('days_left', models.FloatField(help_text='Days of capital that selling now would save.', null=True)),
                ('annualised_ppm', models.BigIntegerField(help_text='What holding earns a year on the cash that selling would free.', null=True)),
                ('price_age_ms', models.BigIntegerField(null=True)),
                ('probabilities', models.JSONField(default=dict, help_text='De-vigged market probability of each outcome.')),
                ('signals', models.JSONField(default=list, help_text='[{"code", "severity", "detail", "source", "age_ms"}, ...]')),
                ('sources', models.JSONField(default=list, help_text='[{"source", "opinion", "age_ms", "detail", "error", "worth", "gain", "coverage_ppm", "probabilities", "plot"}, ...]; opinion false = none, with the reason in detail.')),
                ('position', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assessments', to='trading.position')),
            ],
        ),
        migrations.CreateModel(
            name='Baseline',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('tickers', models.JSONField(help_text='Outcomes listed when the decision was taken.')),
                ('close_times', models.JSONField(default=dict, help_text='Market ticker -> close time, Unix milliseconds.')),
                ('certified', models.BooleanField(default=False, help_text='The decision rested on a certificate.')),
                ('rules_hash', models.CharField(blank=True, help_text='Of rules, strikes and the set of markets, without their states.', max_length=64)),
                ('coverage_ppm', models.BigIntegerField(null=True)),
                ('last', models.JSONField(default=dict, help_text='The last kept look in short: at_ms, advice, sell, hold, coverage, codes.')),
                ('position', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='baseline', to='trading.position')),
            ],
        ),
        migrations.CreateModel(
            name='Recommendation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(help_text='Code of the signal.', max_length=40)),
                ('advice', models.CharField(choices=[('hold', 'Hold'), ('watch', 'Watch'), ('exit', 'Exit')], max_length=5)),
                ('source', models.CharField(default='market', max_length=40)),
                ('detail', models.CharField(help_text='In words, with figures.', max_length=400)),
                ('gain', models.BigIntegerField(help_text='Selling now less expected holding, micro-dollars.', null=True)),
                ('opening', models.JSONField(default=dict, help_text='The figures at the moment it opened, never refreshed: what it is scored by.')),
                ('status', models.CharField(choices=[('open', 'Open'), ('accepted', 'Accepted'), ('dismissed', 'Dismissed'), ('lapsed', 'the reason went'), ('ended', 'the position ended')], db_index=True, default='open', max_length=9)),
                ('actor', models.CharField(blank=True, max_length=150)),
                ('actor_reason', models.CharField(blank=True, max_length=300)),
                ('policy', models.CharField(blank=True, help_text='Why it did or did not lead to an automatic exit.', max_length=300)),
                ('opened_at', models.DateTimeField(auto_now_add=True)),
                ('refreshed_at', models.DateTimeField(auto_now=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('gone_at', models.DateTimeField(blank=True, help_text='When the reason was no longer there; a dismissed one stays quiet until then.', null=True)),
                ('score', models.JSONField(blank=True, default=dict, help_text='After settlement: against holding, against the market.')),
                ('scored_at', models.DateTimeField(blank=True, db_index=True, null=True)),
                ('assessment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='recommendations', to='triage.assessment')),
                ('position', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recommendations', to='trading.position')),
            ],
        ),
        migrations.CreateModel(
            name='SourceForecast',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=40)),
                ('formed_at', models.DateTimeField()),
                ('age_ms', models.BigIntegerField(default=0)),
                ('detail', models.CharField(blank=True, max_length=400)),
                ('probabilities', models.JSONField(help_text='Of each listed outcome, by the source.')),
                ('market_probabilities', models.JSONField(help_text='De-vigged, at the same moment.')),
                ('outcome', models.CharField(blank=True, help_text='Ticker of the outcome that won; empty = none of the listed.', max_length=128)),
                ('brier', models.FloatField(null=True)),
                ('brier_market', models.FloatField(null=True)),
                ('settled_at', models.DateTimeField(db_index=True, null=True)),
                ('event', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='source_forecasts', to='markets.event')),
            ],
        ),
        migrations.AddIndex(
            model_name='assessment',
            index=models.Index(fields=['position', '-at'], name='triage_asse_positio_597f2d_idx'),
        ),
        migrations.AddConstraint(
            model_name='recommendation',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'open')), fields=('position', 'reason'), name='one_open_recommendation_a_reason'),
        ),
        migrations.AddIndex(
            model_name='sourceforecast',
            index=models.Index(fields=['source', 'formed_at'], name='triage_sour_source_25ae9b_idx'),
        ),
        migrations.AddConstraint(
            model_name='sourceforecast',
            constraint=models.UniqueConstraint(fields=('source', 'event'), name='one_frozen_forecast_a_source_and_event'),
        ),
    ]
