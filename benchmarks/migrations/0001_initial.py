"""The floor's page. Never part of a site."""

import django.db.models.deletion
from django.db import migrations, models

import wagtail_kwiga.streams


class Migration(migrations.Migration):
    initial = True

    dependencies = [("wagtailcore", "0097_baselogentry_uuid_action_timestamp_indexes")]

    operations = [
        migrations.CreateModel(
            name="PlainPage",
            fields=[
                (
                    "page_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="wagtailcore.page",
                    ),
                ),
                ("body", wagtail_kwiga.streams.OpenStreamField(blank=True)),
                ("has_form", models.BooleanField(default=False)),
                ("offer_id", models.IntegerField(null=True)),
            ],
            options={"abstract": False},
            bases=("wagtailcore.page",),
        ),
    ]
