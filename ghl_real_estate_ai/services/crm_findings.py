"""From what the house knows of a location's CRM to findings in plain words. Pure; called by crm_health.

What is found by asking the CRM is judged in account_findings. Each function judges one thing and says what to do. The bounds are in models/diagnosis.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from ghl_real_estate_ai.models.connections import (
    PRIVATE_TOKEN_GRACE_DAYS,
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    RotationState,
    rotation,
)
from ghl_real_estate_ai.models.diagnosis import (
    LAG_WARNING_EVENTS,
    LATE_BY_TURNS_WARNING,
    LATE_FAILURE,
    LATE_WARNING,
    PAUSE_DELIVERIES,
    PAUSE_SUCCESS_SHARE,
    PAUSE_WINDOW_DAYS,
    QUIET_WARNING,
    Finding,
    FindingStatus,
    finding,
)
from ghl_real_estate_ai.models.events import Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.models.synchronization import ChangeStatus, DeliveryTally, SyncProgress, SyncSource
from ghl_real_estate_ai.services.admission import Outcome

OK: Final = FindingStatus.OK
WARNING: Final = FindingStatus.WARNING
FAILURE: Final = FindingStatus.FAILURE
UNKNOWN: Final = FindingStatus.UNKNOWN

_ACCEPTED: Final = frozenset(outcome.value for outcome in Outcome)
_BY_TURNS: Final = frozenset({SyncSource.OPPORTUNITIES, SyncSource.APPOINTMENTS, SyncSource.ACTIVITY})
"""What not every cycle of polling reads."""

_RECONNECT: Final = "run `enterprisehub connect` again"


@dataclass(frozen=True, kw_only=True)
class StoredFacts:
    """What the house itself knows of a location's CRM."""

    location_id: LocationId
    now: datetime
    connection: Connection | None = None
    setup: LocationSetup | None = None
    tallies: Sequence[DeliveryTally] = ()
    answered: Mapping[tuple[date, str], int] = field(default_factory=dict)
    """App webhooks of all locations together, of PAUSE_WINDOW_DAYS: how many had an outcome, by day and outcome."""

    progress: Sequence[SyncProgress] = ()
    rereads: int = 0
    changes: dict[ChangeStatus, int] = field(default_factory=dict)
    dead_letters: int = 0
    lag: int = 0
    outgoing: SwitchState = field(default_factory=lambda: SwitchState(switch=Switch.OUTGOING))


def stored_findings(facts: StoredFacts) -> Iterator[Finding]:
    """Everything that can be said without asking the CRM."""
    yield connection_finding(facts)
    yield token_finding(facts)
    yield from webhook_findings(facts)
    yield delivery_finding(facts)
    yield from sync_findings(facts)
    yield outgoing_finding(facts)
    yield from backlog_findings(facts)


# --- the connection -----------------------------------------------------------------------------------------------


def connection_finding(facts: StoredFacts) -> Finding:
    """Whether there is access, and whether it still holds."""
    connection = facts.connection
    if connection is None:
        return finding("connection", FAILURE, "the location is not connected", "run `enterprisehub connect`")
    match connection.status:
        case ConnectionStatus.ACTIVE:
            kind = "a private token" if connection.kind is ConnectionKind.PRIVATE_TOKEN else "the app"
            note = (
                "; its API is a simulator's, so everything read is simulated" if connection.simulated else ""
            )
            return finding("connection", OK, f"connected by {kind}{note}")
        case ConnectionStatus.UNINSTALLED:
            return finding(
                "connection", FAILURE, "the app was uninstalled", f"install it again: {_RECONNECT}"
            )
        case ConnectionStatus.NEEDS_RECONNECT:
            return finding("connection", FAILURE, "GoHighLevel no longer accepts the token", _RECONNECT)


def token_finding(facts: StoredFacts) -> Finding:
    """How old a private token is, or whether an app's token can be renewed."""
    connection, now = facts.connection, facts.now
    if connection is None or connection.status is not ConnectionStatus.ACTIVE:
        return finding("token", UNKNOWN, "there is no token in use")
    if connection.kind is ConnectionKind.PRIVATE_TOKEN:
        return _rotation(connection, now)
    if connection.expires_at is None or connection.expires_at > now:
        until = f" until {_minute(connection.expires_at)}" if connection.expires_at else ""
        return finding("token", OK, f"good{until}; it renews itself")
    if not connection.refresh_token and connection.company_id is None:
        return finding("token", FAILURE, "the token has expired and there is none to renew it by", _RECONNECT)
    return finding(
        "token", WARNING, "the token has expired; the next call renews it", "check that the gateway runs"
    )


def _rotation(connection: Connection, now: datetime) -> Finding:
    age, due = (now - connection.obtained_at).days, rotation(connection, now=now)
    if due.state in {RotationState.NOT_NEEDED, RotationState.FRESH}:
        return finding(
            "token", OK, f"the private token is {age} days old; rotate it by {due.due_at:%Y-%m-%d}"
        )
    verb = "is" if due.state is RotationState.SOON else "was"
    return finding(
        "token",
        WARNING,
        f"the private token is {age} days old and {verb} due for rotation on {due.due_at:%Y-%m-%d}",
        "in GoHighLevel: Settings > Private Integrations > Rotate; then run `enterprisehub connect` with the new token "
        f"within {PRIVATE_TOKEN_GRACE_DAYS} days, while the old one still works",
    )


# --- what comes in ------------------------------------------------------------------------------------------------


def webhook_findings(facts: StoredFacts) -> Iterator[Finding]:
    """The newest delivery of each webhook door, and whether one is missed."""
    yield _app_webhooks(facts, _last(facts, Source.APP_WEBHOOK))
    last = _last(facts, Source.WORKFLOW_WEBHOOK)
    if facts.setup is None or facts.setup.workflow_key_hash is None:
        yield finding("workflow_webhook", UNKNOWN, "no workflow webhook is set up")
    elif last is None:
        yield finding(
            "workflow_webhook",
            WARNING,
            "no workflow webhook has come in yet",
            "in GoHighLevel: add the Webhook action with the location's URL to a published workflow (docs/connect.md); "
            "`enterprisehub connect --new-workflow-url` makes a new URL",
        )
    else:
        yield finding("workflow_webhook", OK, f"last one {_ago(last, facts.now)}")


def _app_webhooks(facts: StoredFacts, last: datetime | None) -> Finding:
    check, connection = "app_webhook", facts.connection
    seen = None if last is None else f"last one {_ago(last, facts.now)}"
    if seen and last is not None and facts.now - last <= QUIET_WARNING:
        return finding(check, OK, seen)
    if connection is None or connection.kind is ConnectionKind.PRIVATE_TOKEN:
        why = "no app is connected" if connection is None else "private tokens have no app webhooks"
        return finding(check, UNKNOWN, seen or f"{why}; none is expected")
    if last is None and _is_young(facts, QUIET_WARNING):
        return finding(check, UNKNOWN, "no app webhook has come in yet; the connection is new")
    return finding(
        check,
        WARNING,
        seen or "no app webhook has come in",
        "in the marketplace app: compare the webhook URL with this gateway's, look for 'paused' in its webhook logs and "
        "re-enable; polling covers the gap meanwhile",
    )


def delivery_finding(facts: StoredFacts) -> Finding:
    """The share of refused deliveries against the rule by which GoHighLevel pauses an address.

    The rule counts all deliveries to the address, of every location; so no number of them is said, only the share.
    """
    total = sum(facts.answered.values())
    if not total:
        return finding("deliveries", UNKNOWN, f"no app webhooks in {PAUSE_WINDOW_DAYS} days")
    good = sum(count for (_, outcome), count in facts.answered.items() if outcome in _ACCEPTED)
    share = good / total
    what = f"{share:.1%} of the webhooks of {PAUSE_WINDOW_DAYS} days were answered with 2xx"
    if share >= PAUSE_SUCCESS_SHARE:
        return finding("deliveries", OK, what)
    start = datetime.combine(min(day for day, _ in facts.answered), time(), UTC)
    pace = total / max((facts.now - start) / timedelta(days=PAUSE_WINDOW_DAYS), 1 / 72)
    fix = (
        "look for 401 (wrong public key, or a stranger's forgeries) and 429 (database down) in the gateway's log, mend the "
        "cause, then re-enable the address in the app"
    )
    if max(total, pace) > PAUSE_DELIVERIES:
        return finding("deliveries", FAILURE, f"{what}: GoHighLevel will pause the address at this rate", fix)
    return finding(
        "deliveries", WARNING, f"{what}: too few, though the address is too quiet to be paused", fix
    )


def sync_findings(facts: StoredFacts) -> Iterator[Finding]:
    """Per source, when reading last reached the end."""
    if facts.connection is None or facts.connection.status is not ConnectionStatus.ACTIVE:
        return
    if facts.setup is not None and not facts.setup.polling:
        yield finding("polling", UNKNOWN, "polling is switched off for this location")
        return
    known = {progress.source: progress for progress in facts.progress}
    for source in _expected(facts.setup):
        yield _source_finding(source, known.get(source), facts)


def _source_finding(source: SyncSource, progress: SyncProgress | None, facts: StoredFacts) -> Finding:
    check, fix = f"sync_{source.value}", "run `enterprisehub connect --import`: it goes on where it stopped"
    if progress is None:
        if _is_young(facts, LATE_WARNING):
            return finding(check, UNKNOWN, f"{source.value}: not read yet, the connection is new")
        return finding(check, WARNING, f"{source.value}: never read", fix)
    if progress.caught_up_at is None:
        return finding(
            check, WARNING, f"{source.value}: not at the end yet; {progress.items} items so far", fix
        )
    late = facts.now - progress.caught_up_at
    what = f"{source.value}: read to the end {_ago(progress.caught_up_at, facts.now)}"
    if late <= (LATE_BY_TURNS_WARNING if source in _BY_TURNS else LATE_WARNING):
        return finding(check, OK, what)
    runs = "check that the gateway (`enterprisehub serve`) runs, and its log for crm_sync lines"
    return finding(check, FAILURE if late > LATE_FAILURE else WARNING, what, runs)


def _expected(setup: LocationSetup | None) -> Iterator[SyncSource]:
    yield from (SyncSource.CONTACTS, SyncSource.MESSAGES, SyncSource.EMAILS, SyncSource.OPPORTUNITIES)
    if setup is not None and setup.calendars:
        yield SyncSource.APPOINTMENTS
    if setup is not None and setup.activity_object:
        yield SyncSource.ACTIVITY


def backlog_findings(facts: StoredFacts) -> Iterator[Finding]:
    """What waits: events for the models, leads to be read again, changes to be written, deliveries set aside."""
    slow = facts.lag > LAG_WARNING_EVENTS
    yield finding(
        "bus_lag",
        WARNING if slow else OK,
        f"{facts.lag} events wait to be handled",
        "check that the gateway (`enterprisehub serve`) runs; after an import it needs a while"
        if slow
        else None,
    )
    waits = facts.rereads > 0 and (
        facts.connection is None or facts.connection.status is not ConnectionStatus.ACTIVE
    )
    yield finding(
        "rereads",
        WARNING if waits else OK,
        f"{facts.rereads} leads wait to be read again after a workflow's hint",
        f"they wait for a connection: {_RECONNECT}" if waits else None,
    )
    failed, pending = (facts.changes.get(status, 0) for status in (ChangeStatus.FAILED, ChangeStatus.PENDING))
    yield finding(
        "changes",
        WARNING if failed else OK,
        f"{pending} changes wait to be written into the CRM, {failed} failed",
        "the lead's export names each with its error (`enterprisehub lead export ID`); most are refused for a scope"
        if failed
        else None,
    )
    yield finding(
        "dead_letters",
        WARNING if facts.dead_letters else OK,
        f"{facts.dead_letters} deliveries could not be used",
        "upgrade, then `enterprisehub replay --dead-letters`" if facts.dead_letters else None,
    )


def outgoing_finding(facts: StoredFacts) -> Finding:
    """Whether the kill switch stops what leaves the house; what waits meanwhile is in ``changes``."""
    switch = facts.outgoing
    if switch.on:
        return finding("outgoing", OK, "what is to leave the house may leave")
    since = "" if switch.changed_at is None else f" since {_minute(switch.changed_at)}"
    return finding(
        "outgoing",
        WARNING,
        f"the switch 'outgoing' is off{since}: nothing is sent or written into the CRM, what waits goes on waiting",
        "when that is over: an admin turns it on at the page Admin, or run `enterprisehub switch on outgoing`",
    )


# --- parts --------------------------------------------------------------------------------------------------------


def _last(facts: StoredFacts, source: Source) -> datetime | None:
    return max(
        (one.last_at for one in facts.tallies if one.source == source.value and one.outcome in _ACCEPTED),
        default=None,
    )


def _is_young(facts: StoredFacts, age: timedelta) -> bool:
    """Whether there was hardly time yet for anything to come in."""
    return facts.connection is not None and facts.now - facts.connection.obtained_at <= age


def _ago(then: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
