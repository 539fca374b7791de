"""The WebSocket surface without a socket: sessions, subscriptions, frames."""
