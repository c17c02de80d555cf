"""Every promise of ``budgets.py``, measured on this machine: measured, target, peer. Called by ``enterprisehub bench``.

A benchmark is a function named in BENCHMARKS by the constant that it measures. Times on a shared machine are noisy: each
row says how many samples it has, and stands beside a peer that was measured in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from rich.table import Column, Table

from ghl_real_estate_ai import budgets
from ghl_real_estate_ai.commands import (
    across_processes,
    crm_benchmarks,
    fanout,
    launch,
    live_benchmarks,
    match_benchmarks,
    measuring,
    screen_benchmarks,
)
from ghl_real_estate_ai.commands.learning import CITY_START, city_events
from ghl_real_estate_ai.commands.measuring import Say
from ghl_real_estate_ai.commands.rows import Row, figure_of
from ghl_real_estate_ai.errors import EnterpriseHubError, InputError
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.settings import load_settings


def event_cpu(say: Say) -> Row:
    """CPU of one event through features, score and churn; beside recomputing the features from the lead's whole history."""
    from ghl_real_estate_ai import bootstrap
    from ghl_real_estate_ai.ml.artifacts import shipped_model
    from ghl_real_estate_ai.ml.features import vector
    from ghl_real_estate_ai.ml.lead_state import apply
    from ghl_real_estate_ai.models.identifiers import LeadId
    from ghl_real_estate_ai.models.leads import Lead
    from ghl_real_estate_ai.simulation.city import City

    settings = load_settings()
    score, won, churn = (shipped_model(name) for name in ("lead_score", "won", "churn_risk"))
    city = City(seed=11, leads=120, listings=100, start=CITY_START, days=45)
    events = [r for r in city_events(city, bootstrap.webhook_reader(settings)) if r.event.lead_id is not None]
    say(f"EVENT_CPU_MS: {len(events)} events, 3 rounds")
    rounds: list[float] = []
    for _ in range(3):
        leads: dict[LeadId, Lead] = {}
        started = time.process_time()
        for recorded in events:
            lead_id = recorded.event.lead_id
            if lead_id is None:
                continue
            lead = leads[lead_id] = apply(leads.get(lead_id), recorded)
            x = vector(lead, recorded.event.occurred_at)
            score.predict(x)
            won.predict(x)
            churn.predict(x)
        rounds.append((time.process_time() - started) * 1_000 / len(events))
    return Row(
        name="EVENT_CPU_MS",
        what="CPU of one event: features, lead score, odds of a deal, churn risk",
        measured=statistics.median(rounds),
        unit="ms",
        budget=budgets.EVENT_CPU_MS,
        samples=3 * len(events),
        peer="features recomputed from the lead's whole history at each event",
        peer_measured=_recompute_ms(events),
    )


def _recompute_ms(events: Sequence[RecordedEvent]) -> float:
    """Mean CPU ms per event when nothing is remembered between events, over the busiest lead of the newest 400 events."""
    from ghl_real_estate_ai.ml.features import vector
    from ghl_real_estate_ai.ml.lead_state import apply

    sample = events[-400:]
    by_lead: dict[object, list[RecordedEvent]] = {}
    for recorded in events:
        by_lead.setdefault(recorded.event.lead_id, []).append(recorded)
    started = time.process_time()
    for recorded in sample:
        lead = None
        for earlier in by_lead[recorded.event.lead_id]:
            if earlier.position > recorded.position:
                break
            lead = apply(lead, earlier)
        if lead is not None:
            vector(lead, recorded.event.occurred_at)
    return (time.process_time() - started) * 1_000 / len(sample)


def crossings(say: Say) -> Row:
    """CPU of the crossing times of one lead, paid at each event; beside scoring every point of the grid."""
    from ghl_real_estate_ai import bootstrap
    from ghl_real_estate_ai.ml.artifacts import shipped_model
    from ghl_real_estate_ai.ml.features import Course, vector
    from ghl_real_estate_ai.ml.lead_state import apply
    from ghl_real_estate_ai.ml.risk_curve import GRID, crossing_times
    from ghl_real_estate_ai.models.intelligence import STAGE_THRESHOLDS
    from ghl_real_estate_ai.models.leads import Lead
    from ghl_real_estate_ai.simulation.city import City

    churn = shipped_model("churn_risk")
    city = City(seed=11, leads=60, listings=100, start=CITY_START, days=45)
    leads: dict[object, Lead] = {}
    found_s = scored_s = 0.0
    events = wrong = 0
    say("CROSSING_TIMES_MS: every 5th event of 60 leads, both ways")
    for number, recorded in enumerate(city_events(city, bootstrap.webhook_reader(load_settings()))):
        key, now = recorded.event.lead_id, recorded.event.occurred_at
        lead = leads[key] = apply(leads.get(key), recorded)
        if number % 5:
            continue
        risk = churn.predict(vector(lead, now))
        started = time.process_time()
        found = crossing_times(churn, Course(lead, now), risk=risk)
        between = time.process_time()
        risks = [churn.predict(vector(lead, now + ahead)) for ahead in GRID]
        events, found_s = events + 1, found_s + between - started
        scored_s += time.process_time() - between
        expected = {
            stage: next(now + ahead for ahead, later in zip(GRID, risks, strict=True) if later > threshold)
            for stage, threshold in STAGE_THRESHOLDS.items()
            if risk <= threshold < risks[-1]
        }
        wrong += found != expected
    return Row(
        name="CROSSING_TIMES_MS",
        what="CPU of a lead's three crossing times under silence, at one event",
        measured=found_s * 1_000 / events,
        unit="ms",
        budget=budgets.CROSSING_TIMES_MS,
        samples=events,
        peer=f"the same from all {len(GRID)} points of the grid",
        peer_measured=scored_s * 1_000 / events,
        failed=f"{wrong} of {events} events: not the crossings that the whole grid gives" if wrong else "",
    )


def cold_start(say: Say) -> Row:
    """Seconds from the command to the first 200 of /health/ready; beside a bare FastAPI application."""
    say("COLD_START_S: 5 starts each, interleaved")
    ours, bare = measuring.start_both(rounds=5)
    return Row(
        name="COLD_START_S",
        what="`enterprisehub serve` to ready",
        measured=statistics.median(start.seconds for start in ours),
        unit="s",
        budget=budgets.COLD_START_S,
        samples=5,
        peer="bare FastAPI + uvicorn",
        peer_measured=statistics.median(start.seconds for start in bare),
    )


def idle_memory(say: Say) -> Row:
    """Resident memory of the idle gateway; beside a bare FastAPI application."""
    say("IDLE_RSS_MB: 3 starts each, interleaved")
    ours, bare = measuring.start_both(rounds=3)
    return Row(
        name="IDLE_RSS_MB",
        what="resident memory of the gateway, idle",
        measured=statistics.median(start.rss_mb for start in ours),
        unit="MB",
        budget=budgets.IDLE_RSS_MB,
        samples=3,
        peer="bare FastAPI + uvicorn",
        peer_measured=statistics.median(start.rss_mb for start in bare),
    )


def webhook_ack(say: Say) -> Row:
    """p99 of signed webhook -> 200 after its commit at 100 events/s; beside a bare route that stores nothing."""
    say("WEBHOOK_ACK_P99_MS: 20 s at 100 events/s each")
    ours, bare = measuring.acknowledge_both(per_second=100, seconds=20)
    return Row(
        name="WEBHOOK_ACK_P99_MS",
        what="signed webhook to 200 after its commit, p99 at 100 events/s",
        measured=measuring.quantile(ours, 0.99),
        unit="ms",
        budget=budgets.WEBHOOK_ACK_P99_MS,
        samples=len(ours),
        peer="bare FastAPI route that stores nothing",
        peer_measured=measuring.quantile(bare, 0.99),
        stages={"p50": measuring.quantile(ours, 0.5), "p95": measuring.quantile(ours, 0.95)},
    )


def event_to_paint(say: Say) -> Row:
    """p95 of signed webhook sent -> DOM painted, 100 viewers; beside a screen that polls twice a second."""
    from ghl_real_estate_ai.commands import painting

    say("EVENT_TO_PAINT_P95_MS: 100 viewers, one of them headless Chromium")
    result = painting.measure(viewers=100, per_second=10, seconds=25, say=say)
    return Row(
        name="EVENT_TO_PAINT_P95_MS",
        what="signed webhook sent to DOM painted, p95, 100 viewers",
        measured=measuring.quantile(result.pushed_ms, 0.95),
        unit="ms",
        budget=budgets.EVENT_TO_PAINT_P95_MS,
        samples=len(result.pushed_ms),
        peer="the same page polling REST every 500 ms",
        peer_measured=measuring.quantile(result.polled_ms, 0.95) if result.polled_ms else None,
        stages=result.stages,
    )


Benchmark = Callable[[Say], Row]

BENCHMARKS: dict[str, Benchmark] = {
    "EVENT_TO_PAINT_P95_MS": event_to_paint,
    "FIRST_PAINT_S": screen_benchmarks.first_paint,
    "SCREEN_MEMORY_MB": screen_benchmarks.screen_memory,
    "EVENT_CPU_MS": event_cpu,
    "CROSSING_TIMES_MS": crossings,
    "COLD_START_S": cold_start,
    "IDLE_RSS_MB": idle_memory,
    "WEBHOOK_ACK_P99_MS": webhook_ack,
    "WEBHOOKS_PER_S": crm_benchmarks.webhook_throughput,
    "IMPORT_MESSAGES_PER_S": crm_benchmarks.import_rate,
    "POLL_CALLS_PER_DAY": crm_benchmarks.polling_calls,
    "FAN_OUT_TIMES_NODE_WS": fanout.times_node_ws,
    "FAN_OUT_TIMES_TUTORIAL": fanout.times_tutorial,
    "CLOSED_LOOP_CPU_RATIO": fanout.closed_loop_cpu,
    "SLOW_CLIENTS": live_benchmarks.slow_clients,
    "RESUME_STORM": live_benchmarks.resume_storm,
    "CONNECT_STORM_S": live_benchmarks.connect_storm,
    "BUSY_THREAD_TIMES": live_benchmarks.busy_thread,
    "WHOLE_PATH_P99_MS": live_benchmarks.whole_path,
    "MATCH_P50_MS": match_benchmarks.match_median,
    "MATCH_P99_MS": match_benchmarks.match_tail,
    "ACROSS_PROCESSES_P95_MS": across_processes.across_processes,
}


def run(only: Sequence[str], *, say: Say, among: Mapping[str, Benchmark] = BENCHMARKS) -> list[Row]:
    """The rows of the named promises, or of all; one that breaks is a row too. Raises InputError for an unknown name."""
    for name in only:
        if name not in among:
            raise InputError(f"--only {name}: no such number; one of {', '.join(among)}")
    with launch.sigterm_as_interrupt():  # else the servers under test would outlive the bench
        return [_measured(name, measure, say) for name, measure in among.items() if not only or name in only]


def _measured(name: str, measure: Benchmark, say: Say) -> Row:
    started = time.monotonic()
    try:
        row = measure(say)
    except (EnterpriseHubError, OSError) as error:
        row = Row.broken(name, why=str(error))
    except ExceptionGroup as group:  # of a task group: the first says enough
        row = Row.broken(name, why=repr(group.exceptions[0]))
    say(f"  {name}: {row.figure}, {row.target}: {row.verdict} ({time.monotonic() - started:.0f} s)")
    return row


def table(rows: Sequence[Row]) -> Table:
    """For a person: one line per promise, the stages below it."""
    view = Table(
        Column("number", no_wrap=True),
        "measured",
        "target",
        "",
        "peer",
        "ratio",
        "n",
        title=measuring.machine(),
    )
    for row in rows:
        peer = f"{figure_of(row.peer_measured, row.unit)} {row.peer}" if row.peer_measured is not None else ""
        ratio = f"{row.ratio:.1f}x" if row.ratio is not None else ""
        view.add_row(row.name, row.figure, row.target, row.verdict, peer, ratio, f"{row.samples:,}")
        for stage, value in row.stages.items():
            view.add_row(f"  {stage}", figure_of(value, row.unit))
    return view


def details(rows: Sequence[Row]) -> str:
    """What else was seen, line by line; rows that read the same run say it once."""
    lines: list[str] = []
    for row in rows:
        said = [f"  {what}: {seen}" for what, seen in row.beside.items()]
        if said and said != lines[-len(said) :]:
            lines += [row.name, *said]
    return "\n".join(lines)
