"""WSGI entry point for the web process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
application = get_wsgi_application()

from kalbot.common.life import die_with_parent  # noqa: E402  (the application comes first)
from kalbot.console.ops import checks  # noqa: E402  (reads the settings)

checks.require_secret()
die_with_parent()  # a worker of a server that was killed would keep its address
