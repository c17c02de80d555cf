"""What tests of the hub say and look at: subscriptions, and the messages of one stream."""

from __future__ import annotations

import json
from typing import Any

from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.streams import Placed, Publication, Stream
from ghl_real_estate_ai.services.websocket_manager import WebSocketManager
from tests.support.facts import LOCATION
from tests.support.sockets import FakeSocket, Screen
from tests.support.stream_items import item


def publish(
    hub: WebSocketManager, stream: Stream, key: str = "a", number: int = 0, location: LocationId = LOCATION
) -> None:
    """One small item."""
    hub.publish(location, stream, item(stream, key, number))


def placed(stream: Stream, offset: int, key: str = "a") -> Placed:
    """The same as another process has placed it."""
    return Placed(Publication.of(stream, item(stream, key, offset)), offset, at_ms=1_000.0)


def follow(*streams: Stream, **place: object) -> dict[str, object]:
    """The client's message."""
    return {"subscribe": [{"stream": stream, **place} for stream in streams]}


def of(socket: FakeSocket, stream: Stream) -> list[dict[str, Any]]:
    """What came of the stream."""
    return [
        m for m in socket.heard if m.get("c") == stream or m.get("subscribed", {}).get("stream") == stream
    ]


def shown(socket: FakeSocket, stream: Stream) -> Screen:
    """The stream as the client shows it now."""
    screen = Screen()
    for message in of(socket, stream):
        screen.apply(message)
    return screen


def fresh(hub: WebSocketManager, stream: Stream) -> list[dict[str, Any]]:
    """The items of a fresh snapshot."""
    return [json.loads(text) for text in hub.snapshot(LOCATION, stream).items]
