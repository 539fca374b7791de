# One image for every process of production (target "bot"), and one for the demo (target "demo").
FROM python:3.11-slim AS build
ENV PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/kalbot
COPY requirements.lock ./
RUN python -m venv /srv/venv \
 && /srv/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY manage.py ./
COPY kalbot kalbot
COPY markets markets
COPY strategies strategies
COPY trading trading
COPY triage triage
COPY backtest backtest
RUN STATIC_ROOT=/srv/static KALBOT_STATE=/tmp /srv/venv/bin/python manage.py collectstatic --noinput \
 && rm -r kalbot/local

FROM python:3.11-slim AS bot
# The home and the state are for whichever user compose names: the host's own, who alone can read the secrets.
RUN useradd --system --uid 10001 --home-dir /srv/home kalbot \
 && install -d -m 1777 /srv/home /srv/state
COPY --from=build /srv/venv /srv/venv
COPY --from=build /srv/static /srv/static
COPY --from=build /srv/kalbot /srv/kalbot
WORKDIR /srv/kalbot
ENV PATH=/srv/venv/bin:$PATH HOME=/srv/home PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    KALBOT_DEVELOPMENT=false KALBOT_STATE=/srv/state STATIC_ROOT=/srv/static
USER 10001

FROM bot AS demo
USER root
COPY requirements-demo.lock ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements-demo.lock
COPY kalbot/local kalbot/local
COPY simulator simulator
USER 10001
EXPOSE 8000
CMD ["python", "-m", "kalbot.local.demo", "--host", "0.0.0.0", "--port", "8000", "--state", "/srv/state"]

FROM bot
