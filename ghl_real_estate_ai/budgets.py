"""The promised numbers. Each is measured by a benchmark of the same name (``enterprisehub bench``).

What guards the house, and is enforced rather than measured, is in ``limits.py``.
"""

from __future__ import annotations

from typing import Final

EVENT_TO_PAINT_P95_MS: Final = 50.0
"""Signed webhook sent -> DOM painted, p95, with 100 connected viewers, headless Chromium."""

FIRST_PAINT_S: Final = 2.0
"""Page opened again -> first row of the queue painted, signed in, 2,000 leads, headless Chromium, median."""

SCREEN_MEMORY_MB: Final = 5.0
"""MB by which the page's heap grows while 20 events a second come in, after a minute; ``enterprisehub soak`` looks for 20 minutes."""

EVENT_CPU_MS: Final = 2.0
"""CPU of one event through features + lead score + churn risk, mean, one core."""

CROSSING_TIMES_MS: Final = 2.0
"""CPU of finding when the churn risk of a lead that stays silent crosses the three thresholds, mean over events, one core."""

COLD_START_S: Final = 3.0
"""`enterprisehub serve` started -> gateway answers ready."""

IDLE_RSS_MB: Final = 300.0
"""Resident memory of the gateway process, idle, after start."""

WEBHOOK_ACK_P99_MS: Final = 50.0
"""Signed webhook sent -> 2xx after its row is committed, p99 at 100 events/s (GHL receiver acceptance list)."""

WEBHOOKS_PER_S: Final = 1_000.0
"""Signed webhooks answered 2xx after their rows are committed, per second, on two cores, with p99 below WEBHOOK_ACK_P99_MS."""

IMPORT_MESSAGES_PER_S: Final = 2_000.0
"""Messages of an account's history read by API and stored, per second, the CRM's own limits aside."""

POLL_CALLS_PER_DAY: Final = 1_440.0
"""API calls that keep one location up to date for a day; GoHighLevel allows 200,000."""

FAN_OUT_TIMES_NODE_WS: Final = 10.0
"""Deliveries per second of one gateway over those of Node's ws in the same run: 1,000 screens, 32 publishes in flight."""

FAN_OUT_TIMES_TUTORIAL: Final = 12.0
"""The same over FastAPI with a loop that sends to each connection."""

CLOSED_LOOP_CPU_RATIO: Final = 1.0
"""Server CPU per delivery over that of Node's ws, when the next publish waits until all 1,000 screens have the last."""

SLOW_CLIENTS: Final = 10.0
"""MB by which the gateway grows while 10 of 200 screens have stopped reading; the others miss nothing."""

RESUME_STORM: Final = 0.0
"""Gaps and doubles of 1,000 screens that vanish at random moments and resume while publications go on."""

CONNECT_STORM_S: Final = 15.0
"""5,000 screens that connect at once -> all are served, none refused."""

BUSY_THREAD_TIMES: Final = 5.0
"""p99 of publish -> receive while a thread of the gateway computes without end, over the p99 without it."""

WHOLE_PATH_P99_MS: Final = 100.0
"""Publish -> receive, p99, with 200 signed webhooks a second and 1,000 screens on two cores; nothing is missed."""

MATCH_P50_MS: Final = 1.0
"""CPU of the exact 20 best of 1,000,000 homes for a buyer's wishes in one market, median, one thread."""

MATCH_P99_MS: Final = 5.0
"""The same, p99: the largest market holds a quarter of the homes."""

ACROSS_PROCESSES_P95_MS: Final = 100.0
"""Signed webhook at one gateway -> its lead's score on a screen of another, p95: two gateways, two workers, PostgreSQL, Redis."""

PROMISES: Final = (
    "EVENT_TO_PAINT_P95_MS",
    "FIRST_PAINT_S",
    "SCREEN_MEMORY_MB",
    "EVENT_CPU_MS",
    "CROSSING_TIMES_MS",
    "COLD_START_S",
    "IDLE_RSS_MB",
    "WEBHOOK_ACK_P99_MS",
    "WEBHOOKS_PER_S",
    "IMPORT_MESSAGES_PER_S",
    "POLL_CALLS_PER_DAY",
    "FAN_OUT_TIMES_NODE_WS",
    "FAN_OUT_TIMES_TUTORIAL",
    "CLOSED_LOOP_CPU_RATIO",
    "SLOW_CLIENTS",
    "RESUME_STORM",
    "CONNECT_STORM_S",
    "BUSY_THREAD_TIMES",
    "WHOLE_PATH_P99_MS",
    "MATCH_P50_MS",
    "MATCH_P99_MS",
    "ACROSS_PROCESSES_P95_MS",
)
