"""From what the CRM answers, and from the gateway's own address, to findings in plain words. Pure; called by crm_health.

The bounds are in models/diagnosis.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from ghl_real_estate_ai.models.connections import LocationSetup, WriteBackPart
from ghl_real_estate_ai.models.crm_account import ApiUse, CrmAccount, ScopeNeed
from ghl_real_estate_ai.models.diagnosis import (
    QUOTA_WARNING_SHARE,
    SKEW_FAILURE_S,
    SKEW_WARNING_S,
    Finding,
    FindingStatus,
    finding,
)
from ghl_real_estate_ai.models.write_back import OwnField

OK: Final = FindingStatus.OK
WARNING: Final = FindingStatus.WARNING
FAILURE: Final = FindingStatus.FAILURE
UNKNOWN: Final = FindingStatus.UNKNOWN

_RECONNECT: Final = "run `enterprisehub connect` again"


def account_findings(account: CrmAccount, use: ApiUse, setup: LocationSetup | None) -> Iterator[Finding]:
    """What was seen by asking."""
    yield from scope_findings(account, setup)
    yield fields_finding(account, setup)
    yield from use_findings(use)


def scope_findings(account: CrmAccount, setup: LocationSetup | None) -> Iterator[Finding]:
    """One finding per missing scope, or one that says that none is missing."""
    writes = setup is not None and bool(setup.write_back)
    missing = [check for check in account.may_not() if writes or check.need is not ScopeNeed.WRITE_BACK]
    for check in missing:
        needed = check.need is ScopeNeed.ALWAYS or check.need is ScopeNeed.WRITE_BACK
        yield finding(
            "scopes",
            FAILURE if needed else WARNING,
            f"scope {check.scope} is missing; without it: {check.without}",
            f"add {check.scope} to the private integration (or to a new version of the app), then {_RECONNECT}",
        )
    if missing:
        return
    unseen = [check.scope for check in account.scopes if check.granted is None]
    note = f"; only a change would show: {', '.join(unseen)}" if unseen else ""
    yield finding("scopes", OK, f"no scope that is needed is missing{note}")


def fields_finding(account: CrmAccount, setup: LocationSetup | None) -> Finding:
    """Whether our custom fields are there, when they are to be written."""
    if setup is None or WriteBackPart.FIELDS not in setup.write_back:
        return finding("custom_fields", UNKNOWN, "writing custom fields is off")
    names = set(account.fields.values())
    missing = [name.value for name in OwnField if name.value not in names]
    if not missing:
        return finding("custom_fields", OK, "all of our custom fields are in the account")
    return finding(
        "custom_fields",
        WARNING,
        f"custom fields are missing in the account: {', '.join(missing)}",
        "they are made at the next write; if they stay away, add scope locations/customFields.write",
    )


def use_findings(use: ApiUse) -> Iterator[Finding]:
    """The day's calls and the clock, as the newest answers told them."""
    left, day = use.calls_left_today, use.calls_per_day
    if left is None:
        yield finding("api_quota", UNKNOWN, "no answer has said how many calls are left today")
    else:
        few = day is not None and left < QUOTA_WARNING_SHARE * day
        yield finding(
            "api_quota",
            WARNING if few else OK,
            f"{left} API calls are left today" + (f" of {day}" if day is not None else ""),
            "find what else uses this app's calls; reading goes on tomorrow" if few else None,
        )
    skew = use.clock_skew_s
    if skew is None:
        yield finding("clock", UNKNOWN, "no answer has told the CRM's time")
        return
    bad = FAILURE if abs(skew) > SKEW_FAILURE_S else WARNING if abs(skew) > SKEW_WARNING_S else OK
    if bad is OK:
        yield finding("clock", OK, f"this machine's clock and GoHighLevel's differ by {abs(skew):.0f} s")
        return
    way = "behind" if skew > 0 else "ahead of"
    yield finding(
        "clock",
        bad,
        f"this machine's clock is {abs(skew):.0f} s {way} GoHighLevel's",
        "set the clock by NTP (e.g. `timedatectl set-ntp true`) and restart the gateway",
    )


# --- the gateway itself -------------------------------------------------------------------------------------------


def address_finding(url: str, *, problem: str | None) -> Finding:
    """Whether GoHighLevel can reach this gateway, as far as it can be seen from here. ``problem``: a try's failure."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_private(host):
        return finding(
            "public_url",
            WARNING,
            f"{url} is an address of this machine or network: no webhook can reach it, polling can do without",
            "set ENTERPRISEHUB_PUBLIC_URL to the https address of the gateway, for app installs and webhooks",
        )
    if parts.scheme != "https":
        return finding(
            "public_url",
            WARNING,
            f"{url} is not https: tokens and leads would travel in the open",
            "put a proxy with a certificate before the gateway and set ENTERPRISEHUB_PUBLIC_URL to its https address",
        )
    if problem is not None:
        fix = "check DNS, certificate and proxy; some networks cannot reach their own public address, then try from outside"
        return finding("public_url", WARNING, f"{url} did not answer: {problem}", fix)
    return finding("public_url", OK, f"{url} answers")


def _is_private(host: str) -> bool:
    if host in {"", "localhost"} or host.endswith((".local", ".localhost", ".internal")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
