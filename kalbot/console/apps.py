from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "kalbot.console"
    label = "console"

    def ready(self) -> None:
        import kalbot.celery  # noqa: F401  (so that every Django process sends tasks through this project's app)
