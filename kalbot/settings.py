"""Settings: the only module that reads the environment, through ``kalbot.environment``.

A value that cannot be read (a boolean that is none, a number that is none) is an error at start, never a default.

Without ``DATABASE_URL`` the database is SQLite in ``KALBOT_STATE``; without ``REDIS_URL`` a server on localhost is assumed
(``bin/demo`` and ``bin/test`` start one of their own). Live trading needs ``KALBOT_LIVE=true`` here *and* a profile in mode live.
"""

import re
import warnings
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from kalbot import installed, logging
from kalbot.common.messages import QUEUES, ROUTES
from kalbot.console import theme
from kalbot.environment import (
    ROOT,
    SHORTEST_SECRET,
    SQLITE,
    address,
    boolean,
    database,
    env,
    positive,
    refuse_placeholder,
    require_postgres,
    whole_seconds,
)

BASE_DIR = ROOT
STATE_DIR = Path(env.str("KALBOT_STATE", str(BASE_DIR / ".demo")))
DEVELOPMENT = boolean("KALBOT_DEVELOPMENT", True)
DEBUG = boolean("DJANGO_DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    if not DEVELOPMENT:
        raise ImproperlyConfigured("SECRET_KEY is not set; production needs one (or SECRET_KEY_FILE).")
    SECRET_KEY = "development-only-not-for-production-" + "0" * 32
if not DEVELOPMENT:
    refuse_placeholder("SECRET_KEY", SECRET_KEY, SHORTEST_SECRET)
ALLOWED_HOSTS = [one.strip() for one in env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])]
if not all(re.fullmatch(r"\*|[A-Za-z0-9.-]+|\[[0-9a-f:.]+\]", one) for one in ALLOWED_HOSTS) or not ALLOWED_HOSTS:
    raise ImproperlyConfigured(f"ALLOWED_HOSTS must be names of hosts, separated by commas; it is {ALLOWED_HOSTS!r}.")
CSRF_TRUSTED_ORIGINS = [one.strip() for one in env.list("CSRF_TRUSTED_ORIGINS", default=[])]
if not all(re.fullmatch(r"https?://[^/\s]+", one) for one in CSRF_TRUSTED_ORIGINS):
    raise ImproperlyConfigured(
        f"CSRF_TRUSTED_ORIGINS must be origins such as https://host, separated by commas; it is {CSRF_TRUSTED_ORIGINS!r}."
    )

INSTALLED_APPS = installed.APPS
MIDDLEWARE = installed.MIDDLEWARE
ROOT_URLCONF = "kalbot.urls"
WSGI_APPLICATION = "kalbot.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = env.str("DATABASE_URL", "")
_statement_seconds = env.int("DATABASE_STATEMENT_SECONDS", 120, 0, 86_400)
_connection_seconds = env.int("DATABASE_CONN_MAX_AGE", 600, 0, 86_400)
if DATABASE_URL:
    require_postgres(DATABASE_URL)
    if not DEVELOPMENT and (password := urlsplit(DATABASE_URL).password):
        refuse_placeholder("The password in DATABASE_URL", password)
    DATABASES = {"default": database(env.db_url("DATABASE_URL"), _statement_seconds)}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
else:
    DATABASES = {
        "default": {
            "ENGINE": SQLITE,
            "NAME": STATE_DIR / "kalbot.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=30000;",
            },
            "TEST": {"NAME": STATE_DIR / "test.sqlite3"},
        }
    }
DATABASES["default"]["CONN_MAX_AGE"] = _connection_seconds
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "kalbot.console.dates"
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
# served from its packages where nothing was collected, so a folder that is not there is no fault
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

OTP_TOTP_ISSUER = "Kalbot"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CSRF_FAILURE_VIEW = "kalbot.console.pages.errors.csrf"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", 5, 1, 100)
AXES_COOLOFF_TIME = timedelta(seconds=env.int("LOGIN_COOLOFF_SECONDS", 900, 1, 604_800))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # both together: a stranger elsewhere cannot lock a name out
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # else whoever goes on guessing would lock the owner out for good
AXES_LOCKOUT_CALLABLE = "kalbot.console.auth.throttle.lockout_response"
AXES_CLIENT_IP_CALLABLE = "kalbot.console.auth.throttle.client_address"
AXES_USERNAME_CALLABLE = "kalbot.console.auth.throttle.username"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "csrfmiddlewaretoken"]  # masked where attempts are kept

SECURE_COOKIES = boolean("SECURE_COOKIES", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", 12 * 3_600, 60, 31_536_000)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = boolean("BEHIND_PROXY", False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
_hsts_seconds = env.int("SECURE_HSTS_SECONDS", 3600, 0, 63_072_000)
_redirects = boolean("SECURE_SSL_REDIRECT", BEHIND_PROXY)
if SECURE_COOKIES:
    SECURE_HSTS_SECONDS = _hsts_seconds
    # without a proxy that says what it speaks, sending people to https would be a loop
    SECURE_SSL_REDIRECT = _redirects
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]  # machines ask inside, without a proxy

# Redis: logical database 0 carries Celery's messages, database 1 the prices, so that one can be emptied without the other.
REDIS_URL = address("REDIS_URL", "redis://127.0.0.1:6379").rstrip("/")
BROKER_URL = address("BROKER_URL", f"{REDIS_URL}/0")
PRICES_URL = address("PRICES_URL", f"{REDIS_URL}/1")
STREAM_PARTITIONS = env.int("STREAM_PARTITIONS", 1, 1, 64)
STREAM_LIMIT_MARKETS = env.int("STREAM_LIMIT_MARKETS", 5_000, 1, 1_000_000)

# Which installation, and which exchange: the beginning of every key, channel and queue, so that two never read each other's.
KALBOT_ENVIRONMENT = env.str("KALBOT_ENVIRONMENT", "kalbot")
if not re.fullmatch(r"[a-z0-9-]{1,32}", KALBOT_ENVIRONMENT):
    raise ImproperlyConfigured(
        f"KALBOT_ENVIRONMENT must be 1 to 32 small letters, digits and hyphens; it is {KALBOT_ENVIRONMENT!r}."
    )
# The defaults are Kalshi's demo exchange; production and the simulator are two other addresses.
KALSHI_REST_URL = address("KALSHI_REST_URL", "https://external-api.demo.kalshi.co/trade-api/v2")
KALSHI_WS_URL = address("KALSHI_WS_URL", "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2")
REDIS_PREFIX = f"{KALBOT_ENVIRONMENT}:{urlsplit(KALSHI_REST_URL).netloc.rpartition('@')[2].lower()}:"

CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_QUEUES = [Queue(name) for name in QUEUES]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = ROUTES
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": REDIS_PREFIX,
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
}
CELERY_DB_REUSE_MAX = 10**9  # Celery closes no connection of its own accord: kalbot.common.db.connections does
CELERY_BEAT_SCHEDULER = "kalbot.console.ops.health.pulse:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_TIMEZONE = "UTC"

KALSHI_KEY_ID = env.str("KALSHI_KEY_ID", "")
if KALSHI_KEY_ID and not DEVELOPMENT:
    refuse_placeholder("KALSHI_KEY_ID", KALSHI_KEY_ID)
KALSHI_PRIVATE_KEY_PATH = env.str("KALSHI_PRIVATE_KEY_PATH", "")
KALSHI_PRIVATE_KEY = env.str("KALSHI_PRIVATE_KEY", "", multiline=True)
KALSHI_FEE_GRID = env.str("KALSHI_FEE_GRID", "0.0001")
KALBOT_TERMS_UNREACHABLE_SECONDS = env.int("KALBOT_TERMS_UNREACHABLE_SECONDS", 86_400, 0, 2_592_000)
KALBOT_LIVE = boolean("KALBOT_LIVE", False)
CONTACT = env.str("KALBOT_CONTACT", "")

KALBOT_TAPE_DIR = env.str("KALBOT_TAPE_DIR", "")  # where everything that comes is recorded; empty: nowhere
KALBOT_BACKTEST_JOBS = env.int("KALBOT_BACKTEST_JOBS", 1, 1, 64)  # replays of the console at once, over all workers
KALBOT_TAPE_KEEP_DAYS = env.int("KALBOT_TAPE_KEEP_DAYS", 30, 0, 36_500)
KALBOT_TAPE_MOST_GB = env.int("KALBOT_TAPE_MOST_GB", 50, 0, 1_000_000)

PAPER_LATENCY_MS = env.int("PAPER_LATENCY_MS", 30, 0, 60_000)  # how long a paper order takes to reach the book
KALBOT_MAX_CLOCK_SKEW_MS = env.int(
    "KALBOT_MAX_CLOCK_SKEW_MS", 2_000, 1, 30_000
)  # against the exchange's clock; more denies new baskets
KALBOT_PAUSE_MARGIN_SECONDS = env.int(
    "KALBOT_PAUSE_MARGIN_SECONDS", 300, 0, 86_400
)  # no basket begins so long before a pause
# How long something may wait before it is named as a discrepancy, in seconds.
KALBOT_BOOKING_LIMIT_SECONDS = env.int("KALBOT_BOOKING_LIMIT_SECONDS", 120, 1, 86_400)
KALBOT_UNKNOWN_LIMIT_SECONDS = env.int("KALBOT_UNKNOWN_LIMIT_SECONDS", 300, 1, 86_400)
KALBOT_FINAL_AFTER_SECONDS = positive("KALBOT_FINAL_AFTER_SECONDS", 6.0, 0.5, 600)
KALBOT_QUOTE_SECONDS = env.int("KALBOT_QUOTE_SECONDS", 90, 5, 3_600)
KALBOT_PAPER_QUEUE = env.str("KALBOT_PAPER_QUEUE", "realistic")
if KALBOT_PAPER_QUEUE not in ("optimistic", "realistic", "pessimistic"):
    raise ImproperlyConfigured(
        f"KALBOT_PAPER_QUEUE must be optimistic, realistic or pessimistic; it is {KALBOT_PAPER_QUEUE!r}."
    )
KALBOT_TOKEN_COST = env.int("KALBOT_TOKEN_COST", 0, 0, 1_000_000)
KALBOT_WAITING_LIMIT_SECONDS = env.int("KALBOT_WAITING_LIMIT_SECONDS", 600, 1, 86_400)
WATCH_EVENTS_PER_PROFILE = env.int("WATCH_EVENTS_PER_PROFILE", 1_000, 0, 100_000)

# Intervals of periodic tasks, in seconds. One that is set here holds at every start; without it the admin's own holds.
SCHEDULE_SECONDS = {
    name: whole_seconds(name)
    for name in (
        "KALBOT_SCAN_SECONDS",
        "KALBOT_CYCLE_SECONDS",
        "KALBOT_SETTLE_SECONDS",
        "KALBOT_RECONCILE_SECONDS",
        "KALBOT_ASSESS_SECONDS",
        "KALBOT_LINES_SECONDS",
    )
}

# Triage: the sources that are consulted, their addresses, and the pace of a simulated day.
TRIAGE_SOURCES = env.str("TRIAGE_SOURCES", "all")
TRIAGE_JSON_FEEDS = env.str("TRIAGE_JSON_FEEDS", "")
TRIAGE_FETCH_SECONDS = positive("TRIAGE_FETCH_SECONDS", 12.0, 0, 600)
TRIAGE_REFRESH_SECONDS = positive("TRIAGE_REFRESH_SECONDS", None, 0, 86_400)
TRIAGE_WORLD_SPEED = positive("TRIAGE_WORLD_SPEED", 1.0, 0, 1_000_000)
NWS_URL = address("NWS_URL", "https://api.weather.gov", "https", "http")
OPENMETEO_URL = address("OPENMETEO_URL", "https://api.open-meteo.com", "https", "http")
CITYTEMP_URL = address("CITYTEMP_URL", KALSHI_REST_URL, "https", "http")
COINPRICE_URL = address("COINPRICE_URL", "https://api.exchange.coinbase.com", "https", "http")
SCORES_URL = address("SCORES_URL", "https://site.api.espn.com/apis/site/v2/sports", "https", "http")
FRED_URL = address("FRED_URL", "https://api.stlouisfed.org/fred", "https", "http")
FRED_API_KEY = env.str("FRED_API_KEY", "")

# Notifications.
NOTIFY_KEY = env.str("NOTIFY_KEY", "")
if NOTIFY_KEY and not DEVELOPMENT:
    refuse_placeholder("NOTIFY_KEY", NOTIFY_KEY)
CONSOLE_URL = address("CONSOLE_URL", "", "https", "http")
DEADMAN_URL = address("DEADMAN_URL", "", "https", "http")
SUMMARY_TIME_ZONE = env.str("SUMMARY_TIME_ZONE", "America/New_York")
if SUMMARY_TIME_ZONE not in available_timezones():
    raise ImproperlyConfigured(
        f"SUMMARY_TIME_ZONE must name a time zone such as Europe/Berlin; it is {SUMMARY_TIME_ZONE!r}."
    )

LOG_LEVEL = env.str("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured(f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL; it is {LOG_LEVEL!r}.")
LOG_FORMAT = env.str("LOG_FORMAT", "text" if DEVELOPMENT else "json")
if LOG_FORMAT not in ("json", "text"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be json or text; it is {LOG_FORMAT!r}.")
LOGGING = logging.config(LOG_LEVEL, LOG_FORMAT)

# Who may see a list may export it, nobody else; a cell that a spreadsheet would run as a formula is escaped.
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
UNFOLD = theme.UNFOLD
