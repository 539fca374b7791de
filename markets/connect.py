"""From settings to the exchange: the environment, the key, and a client that shares its rate limits with every process."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from django.conf import settings

from kalbot.common import cache
from kalbot.common.errors import SettingError
from markets.kalshi.environment import Environment, from_settings
from markets.kalshi.errors import CredentialError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.signing import Signer
from markets.rate_limits import SharedLimiter


def client(*, for_account: bool = False) -> KalshiClient:
    """A REST client for one thread. ``for_account``: signed, with the account's rate limits; else public and unsigned, so
    that a scan never takes tokens that an order needs. SettingError if a setting is wrong."""
    where = environment()
    if not for_account:
        return KalshiClient(where, None, SharedLimiter(cache.prices(), limit_scope(where)))
    key = signer()
    return KalshiClient(where, key, SharedLimiter(cache.prices(), limit_scope(where, key.key_id)))


def limit_scope(where: Environment, key_id: str = "") -> str:
    """Whose rate limits: those of a key, or without one those of everybody's public reads from here."""
    account = hashlib.blake2b(key_id.encode(), digest_size=6).hexdigest() if key_id else "public"
    return f"{urlsplit(where.rest_url).netloc}:{account}"


def environment() -> Environment:
    """The exchange that the settings name. SettingError if an address is not one."""
    try:
        return from_settings(settings.KALSHI_REST_URL, settings.KALSHI_WS_URL)
    except ValueError as error:
        raise SettingError(f"KALSHI_REST_URL or KALSHI_WS_URL is wrong: {error}.") from None


def signer() -> Signer:
    """The API key of the settings. SettingError, in a sentence for a person, if it is missing or unusable."""
    key_id, path, pem = settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_PATH, settings.KALSHI_PRIVATE_KEY
    if not key_id:
        raise SettingError("KALSHI_KEY_ID is not set: the stream and every order need an API key of the exchange.")
    if not path and not pem:
        raise SettingError("Neither KALSHI_PRIVATE_KEY_PATH nor KALSHI_PRIVATE_KEY is set; one must hold the API key.")
    try:
        if path:
            return Signer.from_file(key_id, path)
        return Signer.from_pem(key_id, pem.encode())
    except CredentialError as error:
        where = f"KALSHI_PRIVATE_KEY_PATH ({path})" if path else "KALSHI_PRIVATE_KEY"
        raise SettingError(f"{where}: {error}") from None
