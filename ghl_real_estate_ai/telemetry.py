"""Logs, counters and latency windows. Everyone writes here; ``/metrics`` and the performance stream read it."""

from __future__ import annotations

import logging
import math
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()
_BUCKETS: Final = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)

webhooks_received = Counter(
    "webhooks_received_total", "Webhook deliveries by outcome.", ["outcome"], registry=REGISTRY
)
events_handled = Counter(
    "events_handled_total", "Events applied by a durable subscriber.", ["subscriber"], registry=REGISTRY
)
events_retried = Counter(
    "events_retried_total", "Handler attempts that failed.", ["subscriber"], registry=REGISTRY
)
events_dead = Counter(
    "events_dead_total", "Events moved to the dead letters.", ["subscriber"], registry=REGISTRY
)
live_dropped = Counter(
    "live_dropped_total", "Live events dropped, newest kept.", ["subscriber"], registry=REGISTRY
)
parts_stale = Counter(
    "parts_stale_total", "Intelligence parts that failed or came late.", ["part"], registry=REGISTRY
)
connections_open = Gauge("websocket_connections", "Open WebSocket connections.", registry=REGISTRY)
frames_skipped = Counter(
    "frames_skipped_total", "Frames that a slow client skipped.", ["stream"], registry=REGISTRY
)
frames_sent = Counter("websocket_frames_sent_total", "Messages handed to sockets.", registry=REGISTRY)
socket_writes = Counter(
    "websocket_writes_total",
    "Writes to sockets; messages that wait together leave in one.",
    registry=REGISTRY,
)
sockets_blocked = Gauge(
    "websocket_blocked", "Open sockets whose clients do not take what was written.", registry=REGISTRY
)
resumes = Counter(
    "websocket_resumes_total", "Subscriptions by whether they went on at the client's place.", ["recovered"],
    registry=REGISTRY,
)  # fmt: skip
handshakes_refused = Counter(
    "websocket_handshakes_refused_total", "Handshakes answered 503: too many sockets.", registry=REGISTRY
)
clients_closed = Counter("websocket_closed_total", "WebSocket closes by code.", ["code"], registry=REGISTRY)


class LatencyWindow:
    """Durations of one stage in ms: quantiles over the newest ``size`` of the last ``seconds``; all in a Prometheus histogram.

    The window is bounded in time too: the backlog of a history import must not colour the figure for hours.
    """

    def __init__(self, name: str, description: str, *, size: int = 1_024, seconds: float = 20.0) -> None:
        self._values: deque[tuple[float, float]] = deque(maxlen=size)
        self._seconds = seconds
        self._histogram = Histogram(f"{name}_ms", description, buckets=_BUCKETS, registry=REGISTRY)

    def observe(self, milliseconds: float) -> None:
        """Add one duration."""
        self._values.append((time.monotonic(), milliseconds))
        self._histogram.observe(milliseconds)

    def quantile(self, q: float) -> float | None:
        """The q-quantile (nearest rank) of the window; None when it is empty."""
        oldest = time.monotonic() - self._seconds
        while self._values and self._values[0][0] < oldest:
            self._values.popleft()
        if not self._values:
            return None
        ordered = sorted(value for _, value in self._values)
        return ordered[max(0, math.ceil(q * len(ordered)) - 1)]

    def __len__(self) -> int:
        return len(self._values)


event_to_publish = LatencyWindow("event_to_publish", "Webhook received -> frames handed to the hub.")
ingest = LatencyWindow("webhook_ingest", "Webhook received -> its row committed.")
sweep = LatencyWindow("websocket_sweep", "One turn of the hub: up to SWEEP_SOCKETS sockets written to.")
intelligence = LatencyWindow("intelligence", "Event read from the log -> intelligence ready.")


def configure_logging(*, level: str, as_json: bool) -> None:
    """Log to stderr as `noun.verb key=value` lines, or as JSON. Never message bodies, phones, addresses, tokens."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def crash_of(error: BaseException) -> dict[str, str]:
    """A bug for the log: its type and place, not its words, which may quote what a lead wrote."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": type(error).__name__, "place": f"{Path(last.filename).name}:{last.lineno}"}


def get_logger(name: str) -> structlog.types.FilteringBoundLogger:
    """A logger that carries its room's name."""
    logger: structlog.types.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
