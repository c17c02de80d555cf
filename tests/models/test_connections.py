"""When a private token is due for a new one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    OwnerKind,
    RotationState,
    rotation,
)
from tests.support.facts import NOON


def private(**fields: object) -> Connection:
    return Connection.model_validate(
        {
            "owner_id": "loc-1",
            "owner_kind": OwnerKind.LOCATION,
            "kind": ConnectionKind.PRIVATE_TOKEN,
            "obtained_at": NOON,
        }
        | fields
    )


@pytest.mark.parametrize(
    ("days", "state"),
    [
        (0, RotationState.FRESH),
        (75.9, RotationState.FRESH),
        (76, RotationState.SOON),
        (89.9, RotationState.SOON),
        (90, RotationState.DUE),
        (96.9, RotationState.DUE),
        (97, RotationState.OVERDUE),
    ],
)
def test_a_private_token_is_fresh_then_soon_then_due_then_overdue(days: float, state: RotationState) -> None:
    found = rotation(private(), now=NOON + timedelta(days=days))
    assert (found.state, found.due_at) == (state, NOON + timedelta(days=90))


def test_tokens_of_an_app_and_of_a_closed_connection_need_no_rotation() -> None:
    for connection in (private(kind=ConnectionKind.OAUTH), private(status=ConnectionStatus.UNINSTALLED)):
        found = rotation(connection, now=NOON + timedelta(days=400))
        assert (found.state, found.due_at) == (RotationState.NOT_NEEDED, None)
