# One image for every process of production; docker-compose.yml says which one runs what.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 KALBOT_DEVELOPMENT=false STATIC_ROOT=/srv/static
WORKDIR /srv/kalbot
COPY requirements.lock .
# aiohttp is for the simulator alone, which compose can run beside the bot
RUN pip install --no-cache-dir --require-hashes -r requirements.lock && pip install --no-cache-dir aiohttp==3.14.5
COPY . .
RUN SECRET_KEY=build-only python manage.py collectstatic --noinput >/dev/null \
 && useradd --system --uid 10001 kalbot && mkdir -p /srv/state && chown kalbot /srv/state
USER kalbot
ENV KALBOT_STATE=/srv/state
