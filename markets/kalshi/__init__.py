"""Kalshi's wire: signing, REST, WebSocket, schemas and limits. No framework; usable from a REPL.

>>> from markets.kalshi.environment import PROD
>>> from markets.kalshi.rest.client import KalshiClient
>>> KalshiClient(PROD).exchange.status()  # doctest: +SKIP
"""
