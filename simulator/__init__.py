"""A Kalshi exchange on localhost. It stands alone: nothing of the bot is imported here, and the bot imports nothing of it.

The core is an in-process object without sockets (``simulator.exchange.Exchange``); ``simulator.rest.app.handle`` is its REST
surface, ``exchange.hub.connect`` opens a WebSocket session, and ``python -m simulator`` serves both on one port.
"""
