"""One small item of each stream, for tests of how items travel."""

from __future__ import annotations

from ghl_real_estate_ai.models.conversations import Channel, Direction
from ghl_real_estate_ai.models.identifiers import EventId, LeadId
from ghl_real_estate_ai.models.intelligence import Cause, ChurnRisk, LeadScore, ModelStamp, Part, risk_stage
from ghl_real_estate_ai.models.streams import (
    ChurnRiskItem,
    ConversationItem,
    LeadScoreItem,
    NextActionItem,
    PerformanceItem,
    PropertyMatchesItem,
    Stream,
    StreamItem,
)
from tests.support.facts import NOON

STAMP = ModelStamp(name="test", version="1", fitted_on="nothing", simulated=True)
CAUSE = Cause(event_id=EventId("e-1"), event_type="MessageReceived", summary="Wrote by sms")


def item(stream: Stream, key: str, number: int = 0) -> StreamItem:
    """An item of the stream; key is the lead, or the message of the lead; ``number`` makes it differ from the last."""
    lead = LeadId(key)
    match stream:
        case Stream.LEAD_SCORES:
            score = LeadScore(probability=number % 100 / 100, horizon_days=14, model=STAMP)
            return LeadScoreItem(
                key=key, at=NOON, simulated=False, lead_id=lead, lead_name=f"Ana {key}", assigned_to=None,
                stage="new", score=Part[LeadScore](value=score, as_of=NOON), cause=CAUSE,
            )  # fmt: skip
        case Stream.CHURN_RISK:
            p = number % 100 / 100
            risk = ChurnRisk(probability=p, stage=risk_stage(p), horizon_days=14, model=STAMP)
            return ChurnRiskItem(
                key=key, at=NOON, simulated=False, lead_id=lead, lead_name=f"Ana {key}",
                churn=Part[ChurnRisk](value=risk, as_of=NOON), cause=CAUSE,
            )  # fmt: skip
        case Stream.PROPERTY_MATCHES:
            return PropertyMatchesItem(
                key=key, at=NOON, simulated=False, lead_id=lead, lead_name=f"Ana {number}",
                matches=Part(stale_reason="not asked"),
            )  # fmt: skip
        case Stream.CONVERSATION_FEED:
            return ConversationItem(
                key=f"{key}-{number}", at=NOON, simulated=False, event_id=EventId(f"{key}-{number}"), lead_id=lead,
                direction=Direction.INBOUND, channel=Channel.SMS, text=f"¿{number}? ☂", human=True,
            )  # fmt: skip
        case Stream.NEXT_ACTIONS:
            return NextActionItem(
                key=key,
                at=NOON,
                simulated=False,
                lead_id=lead,
                lead_name=f"Ana {number}",
                assigned_to=None,
                action=None,
            )
        case Stream.SYSTEM_PERFORMANCE:
            return PerformanceItem(
                key="system", at=NOON, simulated=False, events_per_s=number, event_to_publish_p50_ms=None,
                event_to_publish_p95_ms=None, ingest_p95_ms=None, log_lag_events=0, connections=0, dead_letters=0,
                loop_delay_ms=0.0, model_versions={},
            )  # fmt: skip
