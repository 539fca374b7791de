"""The Celery application. Queues and routes are explicit: a typo in a route fails instead of making a queue."""

import os

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")

app = Celery("kalbot")
app.set_default()  # in every thread: ``celery.current_app`` is this one
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_logging(**kwargs: object) -> None:
    """Django has configured logging. With a receiver here Celery leaves it alone, else its own level would replace LOG_LEVEL."""
