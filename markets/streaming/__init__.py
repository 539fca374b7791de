"""The parts of the process that keeps the WebSocket open (``manage.py stream``)."""
