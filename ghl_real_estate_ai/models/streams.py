"""The six live streams: what an item of each holds, who may listen, what a slow client loses, and the close codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from ghl_real_estate_ai.models.conversations import Channel, Direction, MessageFact
from ghl_real_estate_ai.models.identifiers import EventId, Frozen, LeadId, Probability, UserId, UtcTime
from ghl_real_estate_ai.models.intelligence import Cause, ChurnRisk, LeadScore, NextAction, Part
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch


class Stream(StrEnum):
    """A topic is one stream of one tenant."""

    LEAD_SCORES = "lead_scores"
    CHURN_RISK = "churn_risk"
    PROPERTY_MATCHES = "property_matches"
    CONVERSATION_FEED = "conversation_feed"
    NEXT_ACTIONS = "next_actions"
    SYSTEM_PERFORMANCE = "system_performance"


class LagPolicy(StrEnum):
    """What happens to a client that falls behind: it gets the newest item per key, a gap, or a close with its offset."""

    CONFLATE = "conflate"
    SKIP = "skip"
    CLOSE = "close"


LAG_POLICY: dict[Stream, LagPolicy] = {
    Stream.LEAD_SCORES: LagPolicy.CONFLATE,
    Stream.CHURN_RISK: LagPolicy.CONFLATE,
    Stream.PROPERTY_MATCHES: LagPolicy.CONFLATE,
    Stream.CONVERSATION_FEED: LagPolicy.CLOSE,
    Stream.NEXT_ACTIONS: LagPolicy.CONFLATE,
    Stream.SYSTEM_PERFORMANCE: LagPolicy.SKIP,
}

AUDIENCE: dict[Stream, frozenset[Role]] = {
    stream: frozenset(Role)
    if stream is not Stream.SYSTEM_PERFORMANCE
    else frozenset({Role.MANAGER, Role.ADMIN})
    for stream in Stream
}
"""Roles that may listen to a stream of their own tenant."""


SHARED_STREAMS: tuple[Stream, ...] = tuple(
    stream for stream in Stream if stream is not Stream.SYSTEM_PERFORMANCE
)
"""Streams that every gateway of an installation shows alike; the performance of a gateway is its own."""


class CloseCode(IntEnum):
    """WebSocket close codes. 4000-4499: reconnect; 4500-4999: stop. 1000 and 1001 keep their RFC 6455 meaning."""

    GOING_AWAY = 1001  # the server stops or restarts: reconnect with back-off and resume
    AUTHENTICATION_NEEDED = (
        4401  # no valid ticket, header or first message in time: get a new ticket, reconnect
    )
    TOKEN_EXPIRED = 4403  # the token's life ended on the open socket: get a new ticket, reconnect and resume
    TOO_SLOW = 4408  # fell behind on a stream that must not lose: reconnect and resume from the last offset
    NO_PONG = 4412  # a ping stayed unanswered: reconnect and resume
    RATE_LIMITED = 4429  # sent more messages than allowed: wait a minute, reconnect
    SEATS_TAKEN = (
        4430  # all gateways together count too many sockets of this user, maybe of one that died: reconnect
    )
    MALFORMED = 4500  # a message that is not of this protocol: a bug in the client, do not retry
    FORBIDDEN_STREAM = 4503  # asked for a stream that the role or tenant does not hold: do not retry
    TOO_MANY_CONNECTIONS = 4529  # more sockets than one user may hold: close one first


class StreamItem(Frozen):
    """Base of all items. ``key`` identifies what an item replaces in a snapshot."""

    key: str
    at: UtcTime
    simulated: bool
    received_at: UtcTime | None = Field(default=None, description="when the causing delivery came in")
    stage_ms: dict[str, float] = Field(
        default_factory=dict, description="ms since received_at at the end of each stage"
    )


class LeadItem(StreamItem):
    """Base of the items about one lead: they go when the lead is forgotten."""

    lead_id: LeadId


class LeadRemovedItem(LeadItem):
    """In place of a lead's item in any keyed stream, key = lead id: the lead was deleted in the CRM; drop its row."""

    removed: Literal[True] = True


class LeadScoreItem(LeadItem):
    """Stream.LEAD_SCORES, key = lead id."""

    lead_name: str
    assigned_to: UserId | None
    stage: str
    source: str | None = None
    score: Part[LeadScore]
    won: Part[LeadScore] = Part()
    cause: Cause


class ChurnRiskItem(LeadItem):
    """Stream.CHURN_RISK, key = lead id."""

    lead_name: str
    churn: Part[ChurnRisk]
    cause: Cause


class PropertyMatchesItem(LeadItem):
    """Stream.PROPERTY_MATCHES, key = lead id."""

    lead_name: str
    matches: Part[tuple[EnhancedPropertyMatch, ...]]


class ConversationItem(LeadItem):
    """Stream.CONVERSATION_FEED, key = event id: nothing replaces it."""

    event_id: EventId
    direction: Direction
    channel: Channel
    text: str | None
    human: bool
    call_seconds: float | None = None
    facts: tuple[MessageFact, ...] = ()


class NextActionItem(LeadItem):
    """Stream.NEXT_ACTIONS, key = lead id. ``action`` None: nothing to do for this lead now.

    After an acknowledgement ``lead_name`` is None: the fact does not hold it, and the row leaves the queue anyway.
    """

    lead_name: str | None
    assigned_to: UserId | None
    stage: str | None = Field(default=None, description="of a lead whose score the snapshot may not hold")
    source: str | None = None
    action: NextAction | None
    acknowledged_by: UserId | None = None
    score: Probability | None = None
    declined_by: tuple[UserId, ...] = ()


class PerformanceItem(StreamItem):
    """Stream.SYSTEM_PERFORMANCE, key = 'system'. Milliseconds; None: nothing measured yet."""

    events_per_s: float
    event_to_publish_p50_ms: float | None
    event_to_publish_p95_ms: float | None
    ingest_p95_ms: float | None
    log_lag_events: int
    connections: int
    dead_letters: int
    loop_delay_ms: float
    model_versions: dict[str, str]
    model_ages_days: dict[str, float] = Field(
        default_factory=dict, description="by model: since it was fitted; none for one that does not say"
    )
    model_alarms: dict[str, str] = Field(
        default_factory=dict, description="by model: in words, what has drifted since it was fitted"
    )


# --- What is published --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Publication:
    """An item encoded once, by whoever publishes it.

    ``removal``: it takes its key's row away. ``idle``: it says that there is nothing to do for its lead.
    """

    stream: Stream
    key: str
    lead_id: LeadId | None
    item: str
    removal: bool
    idle: bool = False

    @classmethod
    def of(cls, stream: Stream, item: StreamItem) -> Publication:
        """Encode."""
        return cls(
            stream=stream,
            key=item.key,
            lead_id=item.lead_id if isinstance(item, LeadItem) else None,
            item=item.model_dump_json(by_alias=True),
            removal=isinstance(item, LeadRemovedItem),
            idle=isinstance(item, NextActionItem) and item.action is None,
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A publication with its place in a topic that several gateways share. ``at_ms``: when it was published, ms since 1970."""

    publication: Publication
    offset: int
    at_ms: float


# --- What a client may say ----------------------------------------------------------------------------------------


class Subscription(Frozen):
    """One stream to follow; with epoch and offset: from there on, if the ring still holds it."""

    stream: Stream
    epoch: str | None = None
    offset: int | None = Field(default=None, ge=0)


class ClientMessage(Frozen):
    """One message of a signed-in client: exactly one of the four."""

    subscribe: tuple[Subscription, ...] | None = Field(default=None, max_length=len(Stream))
    unsubscribe: tuple[Stream, ...] | None = Field(default=None, max_length=len(Stream))
    pong: float | None = Field(
        default=None, allow_inf_nan=False, description="server time of the ping it answers, ms"
    )
    auth: str | None = Field(default=None, description="a newer access token of the same user")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a message is one of subscribe, unsubscribe, pong, auth")
        return self
