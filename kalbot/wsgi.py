"""WSGI entry point for the web process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
application = get_wsgi_application()

from kalbot.console.ops import checks  # noqa: E402  (reads the settings)

checks.require_secret()
