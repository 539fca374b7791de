"""What Django loads: applications, and what each request passes through. Both in their order, which counts."""

from typing import Final

APPS: Final = [
    "kalbot.console",  # before unfold, so that its templates come first
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "kalbot.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "import_export",
    "simple_history",
    "django_celery_beat",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "markets",
    "strategies",
    "trading",
    "triage",
    "backtest",
]
MIDDLEWARE: Final = [
    "kalbot.console.auth.machine_paths.MachinePathsMiddleware",
    "kalbot.console.auth.no_nul.NoNulMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "kalbot.console.auth.security_headers.PolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kalbot.console.pages.errors.NotAllowedMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "kalbot.console.auth.session_end.SessionEndMiddleware",
    "kalbot.console.auth.time_zone.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]
