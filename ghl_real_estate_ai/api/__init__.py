"""The front door: HTTP and WebSocket routes over the services."""
