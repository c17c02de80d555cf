"""The admin's section "Homes": a file of listings, what it would change, and its import. Called by ``administration.py``.

Asks ``/v1/listings/check`` first; what it refuses is left out of what goes to ``/v1/listings``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Final, NamedTuple

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError, InputError, Unauthenticated
from ghl_real_estate_ai.limits import LISTING_FILE_MIB
from ghl_real_estate_ai.streamlit_components.gateway_answers import (
    CheckedListings,
    FirstSteps,
    RefusedListing,
    StoredListings,
)
from ghl_real_estate_ai.streamlit_components.listing_file import (
    NEEDED,
    ListingFile,
    Row,
    batches,
    read_listing_file,
)
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import (
    attempt,
    heading,
    plain,
    tell_results,
)
from ghl_real_estate_ai.streamlit_components.page_tables import Column, as_csv, show_figures, show_table

PLAN: Final = "listing_plan"
"""What the chosen file would do, until it is imported or taken back."""
REFUSED_SHOWN: Final = 20
"""Refused rows in the table; all of them are in the file to download."""
_PLACE: Final = "listings"
_PICKED: Final = "listing_files_picked"
_EXAMPLE: Final = (
    (*NEEDED, "UnparsedAddress", "BedroomsTotal", "BathroomsTotalInteger", "LivingArea", "StandardStatus"),
    ("A-1001", 425_000, "Elm Harbor", "12 Oak St", 3, 2, 1_650, "Active"),
)
_NO_NUMBER: Final = re.compile(r"Input should be a (valid )?(decimal|number|integer)\b")
"""How the gateway's reader of rows begins when a number is none."""
_REFUSED_HEADS: Final = ("Where", "Field", "Why")


class Refused(NamedTuple):
    """One row that the gateway does not take."""

    place: str
    field: str
    reason: str


class Plan(NamedTuple):
    """``file_id``: of which upload. ``good``: the rows that an import sends."""

    file_id: str
    name: str
    file: ListingFile
    good: Sequence[Row]
    refused: Sequence[Refused]
    new: int
    changed: int
    same: int


def show_listings(session: Session, client: GatewayClient) -> None:
    """What is here, the file picker, and what became of the file. Raises what the gateway refuses."""
    heading("Homes")
    held = client.read(FirstSteps, "/v1/first-steps", session).listings
    st.html(f'<p class="page-line">{held:,} {"home is" if held == 1 else "homes are"} here.</p>')
    tell_results(_PLACE)
    picked = st.file_uploader(
        "A file of homes for sale, CSV or RESO JSON",
        type=["csv", "json"],
        max_upload_size=LISTING_FILE_MIB,
        key=f"listing_file_{st.session_state.get(_PICKED, 0)}",
    )
    if picked is None:
        st.session_state.pop(PLAN, None)
        _tell_how()
        return
    plan: Plan | None = st.session_state.get(PLAN)
    if plan is None or plan.file_id != picked.file_id:
        try:
            file = read_listing_file(picked.name, picked.getvalue())
        except InputError as error:
            st.error(plain(str(error)), icon=":material/error:")
            _tell_how()
            return
        plan = _planned(picked.file_id, picked.name, file, session, client)
        st.session_state[PLAN] = plan
    _show_plan(plan, session, client)


def _tell_how() -> None:
    st.caption(
        f"Nothing is saved before you have seen what would change. Each home needs {', '.join(NEEDED[:-1])} and {NEEDED[-1]}; "
        "a home of the same ListingKey is replaced, and homes that are not in the file stay as they are."
    )
    st.download_button(
        "An example as CSV",
        as_csv(_EXAMPLE[0], [_EXAMPLE[1]]),
        file_name="homes-example.csv",
        mime="text/csv",
        key="listing_example",
        on_click="ignore",
    )


def _planned(file_id: str, name: str, file: ListingFile, session: Session, client: GatewayClient) -> Plan:
    """Ask the gateway about every row, without saving any."""
    refused = _repeated(file)
    places = [place for place in range(len(file.rows)) if place not in refused]
    new = changed = same = 0
    told = _bar(len(places), "looked at")
    for first, rows in batches([file.rows[place] for place in places]):
        answer = client.post(CheckedListings, "/v1/listings/check", session, body={"value": rows})
        new, changed, same = new + answer.new, changed + answer.changed, same + answer.same
        for one in answer.refused:
            row = places[first + one.row]
            refused[row] = Refused(
                file.place(row), one.field or "the whole row", _in_words(one, file.rows[row])
            )
        told(first + len(rows))
    return Plan(
        file_id=file_id,
        name=name,
        file=file,
        good=[row for place, row in enumerate(file.rows) if place not in refused],
        refused=[refused[place] for place in sorted(refused)],
        new=new,
        changed=changed,
        same=same,
    )


def _in_words(one: RefusedListing, row: Row) -> str:
    """The commonest two reasons as people say them; the others in the gateway's words."""
    if one.reason == "Field required":
        return "It is missing"
    return f"Not a number: {row.get(one.field)}" if _NO_NUMBER.match(one.reason) else one.reason


def _repeated(file: ListingFile) -> dict[int, Refused]:
    """Rows whose key stands in the file again: the last one counts, as in the store, also when they go in two requests."""
    last = {key: place for place, row in enumerate(file.rows) if isinstance(key := row.get(NEEDED[0]), str)}
    found: dict[int, Refused] = {}
    for place, row in enumerate(file.rows):
        key = row.get(NEEDED[0])
        if isinstance(key, str) and last[key] != place:
            why = f"The same key stands again in {file.place(last[key])}, which counts"
            found[place] = Refused(file.place(place), NEEDED[0], why)
    return found


def _bar(total: int, done: str) -> Callable[[int], None]:
    """How far it is; gone at the end."""
    place = st.empty()

    def tell(count: int) -> None:
        if count < total:
            place.progress(count / total, f"{count:,} of {total:,} homes {done}")
        else:
            place.empty()

    return tell


def _show_plan(plan: Plan, session: Session, client: GatewayClient) -> None:
    """What would change, what is refused, and the two ways on."""
    show_figures(
        [
            ("New", f"{plan.new:,}", "not here yet"),
            ("Changed", f"{plan.changed:,}", "replaced by the file's"),
            ("As they are", f"{plan.same:,}", "the same in the file"),
            ("Refused", f"{len(plan.refused):,}", "left out; the rest can be imported"),
        ]
    )
    if plan.file.read_as:
        pairs = ", ".join(f"{head} as {name}" for head, name in plan.file.read_as)
        twice = (
            " Homes that are here under another key would come twice."
            if plan.file.keyed_by_mls_number
            else ""
        )
        st.html(f'<p class="page-line muted">Read: {escape(pairs)}.{twice}</p>')
    if plan.file.left_out:
        st.html(f'<p class="page-line muted">Not read: {escape(", ".join(plan.file.left_out))}.</p>')
    if plan.refused:
        _show_refused(plan)
    writes = plan.new + plan.changed
    with st.container(horizontal=True):
        if writes and st.button(f"Import {writes:,} {_homes(writes)}", type="primary", key="listing_import"):
            attempt(_PLACE, lambda: _imported(plan, session, client))
            _take_back()
            st.rerun()
        st.button("Take the file back", key="listing_back", on_click=_take_back)
    if not writes:
        st.html('<p class="page-line">Nothing of this file would change anything.</p>')


def _homes(count: int) -> str:
    return "home" if count == 1 else "homes"


def _show_refused(plan: Plan) -> None:
    shown = plan.refused[:REFUSED_SHOWN]
    show_table("Rows that are refused", [Column(head) for head in _REFUSED_HEADS], shown)
    if len(plan.refused) > len(shown):
        st.caption(f"{len(plan.refused) - len(shown):,} more are in the list to download.")
    st.download_button(
        "Refused rows as CSV",
        as_csv(_REFUSED_HEADS, plan.refused),
        file_name="homes-refused.csv",
        mime="text/csv",
        key="listing_refused",
        on_click="ignore",
    )


def _imported(plan: Plan, session: Session, client: GatewayClient) -> str:
    """Save the good rows. What was saved before a failure stays, so the same file goes on from there."""
    saved = 0
    told = _bar(len(plan.good), "saved")
    for first, rows in batches(plan.good):
        try:
            saved += client.post(StoredListings, "/v1/listings", session, body={"value": rows}).stored
        except Unauthenticated:
            raise
        except EnterpriseHubError as error:
            if not saved:
                raise
            raise InputError(
                f"{saved:,} of {len(plan.good):,} homes are saved, then it stopped: {error} "
                "Choose the same file again: it goes on with what is missing."
            ) from error
        told(first + len(rows))
    counts = f"{plan.new:,} new, {plan.changed:,} changed, {len(plan.refused):,} left out"
    return f"{plan.name} is imported: {counts}. Matches follow by themselves."


def _take_back() -> None:
    """The picker is empty again: one of a new key."""
    st.session_state.pop(PLAN, None)
    st.session_state[_PICKED] = st.session_state.get(_PICKED, 0) + 1
