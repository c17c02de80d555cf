"""docs/realtime.md tells the truth: streams, close codes and limits are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ghl_real_estate_ai import limits
from ghl_real_estate_ai.models.streams import CloseCode, Stream

TEXT = (Path(__file__).parents[2] / "docs" / "realtime.md").read_text()


def test_every_stream_has_a_row() -> None:
    assert set(re.findall(r"^\| `([a-z_]+)` \|", TEXT, re.MULTILINE)) == set(Stream)


def test_every_close_code_has_a_row_and_no_other_does() -> None:
    rows = dict(re.findall(r"^\| (\d{4}) \| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert rows == {str(code.value): code.name for code in CloseCode}


@pytest.mark.parametrize(
    ("constant", "words"),
    [
        ("TOPIC_RING_FRAMES", "2,048"),
        ("TOPIC_RING_BYTES", "4 MiB"),
        ("SNAPSHOT_ITEMS", "500"),
        ("CLIENT_BEHIND_BYTES", "1 MiB"),
        ("WRITE_BYTES", "256 KiB"),
        ("SWEEP_SOCKETS", "256"),
        ("SOCKETS_OPEN", "20,000"),
        ("SOCKETS_NOT_SIGNED_IN", "5,000"),
        ("HANDSHAKE_RETRY_S", "5 s"),
        ("WATCH_INTERVAL_S", "1 s"),
        ("CLIENT_MESSAGES_PER_MIN", "100 in"),
        ("CLIENT_FRAME_BYTES", "64 KiB"),
        ("CONNECTIONS_PER_USER", "10"),
        ("PING_INTERVAL_S", "every 10 s"),
        ("PONG_TIMEOUT_S", "within 10 s"),
        ("AUTH_WAIT_S", "within 5 s"),
        ("TICKET_TTL_S", "30 s"),
        ("TICKETS_HELD", "10,000"),
        ("CLOSE_WAIT_S", "2 s"),
        ("SIGN_IN_ATTEMPTS_PER_MIN", "10 a minute"),
        ("WEBHOOK_BODY_BYTES", "1 MiB"),
        ("LISTING_BODY_BYTES", "8 MiB"),
        ("REQUEST_BODY_BYTES", "64 KiB"),
    ],
)
def test_every_limit_is_told_with_its_value(constant: str, words: str) -> None:
    number = re.search(r"[\d,]+", words)
    assert number is not None
    unit = 1_024 if "KiB" in words else 1_048_576 if "MiB" in words else 1
    assert getattr(limits, constant) == int(number.group().replace(",", "")) * unit
    (row,) = [line for line in TEXT.splitlines() if line.startswith("|") and f"`{constant}`" in line]
    assert words in row
