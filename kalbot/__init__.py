"""The Django project: settings, Celery, urls. Wiring only."""
