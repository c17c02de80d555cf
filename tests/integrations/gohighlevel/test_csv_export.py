"""GoHighLevel's CSV exports, as its versions, spreadsheets and people write them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.csv_dates import moment
from ghl_real_estate_ai.integrations.gohighlevel.csv_export import CsvExportReader
from ghl_real_estate_ai.models.events import LeadUpserted, OpportunityChanged, Source
from ghl_real_estate_ai.models.exports import ExportKind, ExportRow
from ghl_real_estate_ai.models.leads import StageRole
from tests.support.facts import LOCATION, NOON

CONTACTS = (
    "Contact Id,First Name,Last Name,Phone,Email,Business Name,Created,Last Activity,Tags,Source,Assigned,DND\n"
    "c-1,Ana,Diaz,+15125550100,ana@example.com,Diaz LLC,Mar 01 2026 09:15 AM,Mar 02 2026 10:00 AM,"
    '"buyer, hot",zillow,Sam Agent,false\n'
)
DEALS = (
    "Opportunity Name,Contact Name,phone,email,pipeline,stage,Lead Value,source,assigned,Created on,Updated on,status,"
    "Opportunity ID,Contact ID,Pipeline Stage ID,Pipeline ID\n"
    '1 Elm St,Ana Diaz,+15125550100,ana@example.com,Buyers,Under Contract,"$450,000",zillow,Sam,'
    "2026-03-01T09:00:00Z,2026-03-05T09:00:00Z,open,o-1,c-1,st-1,p-1\n"
)


@pytest.fixture
def reader() -> CsvExportReader:
    return CsvExportReader(wish_fields={})


def rows(
    reader: CsvExportReader,
    file: Path,
    *,
    zone: tzinfo = UTC,
    stages: dict[str, StageRole] | None = None,
    simulated: bool = False,
) -> list[ExportRow]:
    layout = reader.layout(file, kind=None)
    return list(
        reader.rows(
            layout,
            location_id=LOCATION,
            zone=zone,
            stages=stages or {},
            simulated=simulated,
            received_at=NOON,
        )
    )


def written(folder: Path, text: str, *, encoding: str = "utf-8") -> Path:
    file = folder / "export.csv"
    file.write_bytes(text.encode(encoding))
    return file


def written_at(file: Path, at: datetime) -> Path:
    os.utime(file, (at.timestamp(), at.timestamp()))
    return file


def test_a_contact_is_created_on_its_date_and_stands_so_since_the_file_was_written(
    reader: CsvExportReader, tmp_path: Path
) -> None:
    (row,) = rows(reader, written_at(written(tmp_path, CONTACTS), NOON))
    created, changed = (one.event for one in row.deliveries)
    assert isinstance(created, LeadUpserted)
    assert (created.created, created.occurred_at) == (True, datetime(2026, 3, 1, 9, 15, tzinfo=UTC))
    assert created.source is Source.CSV
    assert isinstance(changed, LeadUpserted)
    assert (changed.created, changed.occurred_at) == (False, NOON), "its last activity is no change"
    assert changed.contact == created.contact
    assert created.lead_id == "c-1"
    assert created.contact == {
        "first_name": "Ana",
        "last_name": "Diaz",
        "phone": "+15125550100",
        "email": "ana@example.com",
        "tags": ["buyer", "hot"],
        "source": "zillow",
        "dnd": False,
    }


@pytest.mark.parametrize(
    ("updated", "since"),
    [
        ("2026-03-01T17:00:00Z", datetime(2026, 3, 1, 17, 0, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, 9, 15, tzinfo=UTC)),
    ],
)
def test_a_row_holds_since_it_was_updated_and_never_before_it_was_made(
    reader: CsvExportReader, tmp_path: Path, updated: str, since: datetime
) -> None:
    text = f"Contact Id,Email,Created,Updated\nc-1,ana@example.com,2026-03-01T09:15:00Z,{updated}\n"
    (row,) = rows(reader, written(tmp_path, text))
    assert row.deliveries[-1].event.occurred_at == since


def test_a_user_is_taken_by_id_and_never_by_name(reader: CsvExportReader, tmp_path: Path) -> None:
    text = CONTACTS.replace("Sam Agent", "Ye2xVJ8uPq0123456789")
    (named,) = rows(reader, written(tmp_path, CONTACTS))
    (row,) = rows(reader, written(tmp_path, text))
    assert (named.user_was_named, row.user_was_named) == (True, False)
    assert isinstance(row.deliveries[0].event, LeadUpserted)
    assert row.deliveries[0].event.contact["assigned_to"] == "Ye2xVJ8uPq0123456789"


def test_a_deal_is_taken_as_it_stands_with_whose_it_is(reader: CsvExportReader, tmp_path: Path) -> None:
    (row,) = rows(reader, written_at(written(tmp_path, DEALS), NOON))
    met, person, deal = (one.event for one in row.deliveries)
    assert isinstance(met, LeadUpserted)
    assert (met.contact, met.occurred_at) == ({}, datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    assert isinstance(person, LeadUpserted)
    assert (person.contact["name"], person.occurred_at) == ("Ana Diaz", NOON)
    assert isinstance(deal, OpportunityChanged)
    assert deal.occurred_at == datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
    assert (deal.opportunity_id, deal.lead_id, deal.pipeline_stage_id) == ("o-1", "c-1", "st-1")
    assert deal.monetary_value == Decimal(450_000)
    assert (deal.stage_role, row.role_by_name) == (StageRole.WORKING, "Under Contract")


def test_what_the_operator_says_of_a_stage_beats_its_words(reader: CsvExportReader, tmp_path: Path) -> None:
    (row,) = rows(reader, written(tmp_path, DEALS), stages={"under contract": StageRole.WON})
    assert isinstance(row.deliveries[-1].event, OpportunityChanged)
    assert (row.deliveries[-1].event.stage_role, row.role_by_name) == (StageRole.WON, None)


def test_the_same_row_is_the_same_delivery_and_a_changed_row_is_another(
    reader: CsvExportReader, tmp_path: Path
) -> None:
    def ids(text: str) -> list[str]:
        return [one.delivery_id for row in rows(reader, written(tmp_path, text)) for one in row.deliveries]

    assert ids(CONTACTS) == ids(CONTACTS)
    assert ids(CONTACTS) != ids(CONTACTS.replace("zillow", "realtor"))


def test_without_a_contact_id_the_lead_is_named_by_email_then_by_phone(
    reader: CsvExportReader, tmp_path: Path
) -> None:
    text = (
        "Email,Phone,Created\n"
        "Ana@Example.com,,2026-03-01\n"
        "ana@example.com,+1 512 555 0100,2026-03-01\n"
        ",(512) 555-0100,2026-03-01\n"
        ",+1 (512) 555-0100,2026-03-01\n"
    )
    first, second, third, fourth = rows(reader, written(tmp_path, text))
    assert first.id_was_derived
    assert lead_of(first) == lead_of(second)
    assert lead_of(third) == lead_of(fourth)
    assert lead_of(first) != lead_of(third)
    assert str(lead_of(first)).startswith("csv-")


def lead_of(row: ExportRow) -> str | None:
    return row.deliveries[0].event.lead_id


def test_a_row_without_a_date_takes_the_files_own_and_says_so(
    reader: CsvExportReader, tmp_path: Path
) -> None:
    file = written(tmp_path, "Contact Id,Email\nc-1,ana@example.com\n")
    (row,) = rows(reader, written_at(file, NOON))
    assert row.time_was_missing
    assert row.deliveries[0].event.occurred_at == NOON
    assert isinstance(row.deliveries[0].event, LeadUpserted)
    assert not row.deliveries[0].event.created


def test_a_custom_field_that_is_called_like_a_wish_states_it(reader: CsvExportReader, tmp_path: Path) -> None:
    text = 'Contact Id,Created,Max List Price,City\nc-1,2026-03-01,"$450,000",\n'
    (row,) = rows(reader, written(tmp_path, text))
    assert isinstance(row.deliveries[0].event, LeadUpserted)
    assert set(row.deliveries[0].event.wishes) == {"max_list_price"}


def test_a_simulated_file_states_simulated_facts(reader: CsvExportReader, tmp_path: Path) -> None:
    (row,) = rows(reader, written(tmp_path, CONTACTS), simulated=True)
    assert all(one.event.simulated for one in row.deliveries)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_encoding_and_delimiter_of_a_spreadsheet_is_read(
    reader: CsvExportReader, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    text = f"CONTACT ID{delimiter}first_name\nc-1{delimiter}Zoë\n"
    (row,) = rows(reader, written(tmp_path, text, encoding=encoding))
    assert isinstance(row.deliveries[0].event, LeadUpserted)
    assert row.deliveries[0].event.contact["first_name"] == "Zoë"


@pytest.mark.parametrize(
    ("line", "field", "fix"),
    [
        ("c-1,,,31/12/2026,,", "Created", "month first"),
        ("c-1,,,yesterday,,", "Created", "2026-03-31"),
        (",,,2026-03-01,,", "Contact Id", "Email or Phone"),
        ("c-1,,,2026-03-01,sometimes,", "DND", "true or false"),
        ("c-1,,,2026-03-01,,,9", "row", "7 values for 6 columns"),
        ("c-1,,,2026-03-01,,many", "Max List Price", "number"),
        (f"{'c' * 300},,,2026-03-01,,", "Contact Id", "255"),
    ],
)
def test_a_bad_row_is_refused_by_number_field_and_fix(
    reader: CsvExportReader, tmp_path: Path, line: str, field: str, fix: str
) -> None:
    text = f"Contact Id,Email,Phone,Created,DND,Max List Price\nc-0,,,2026-03-01,,\n{line}\n"
    good, bad = rows(reader, written(tmp_path, text))
    assert good.refused is None
    assert bad.refused is not None
    assert (bad.refused.row, bad.refused.field) == (3, field)
    assert fix in bad.refused.fix
    assert not bad.deliveries


@pytest.mark.parametrize(
    ("change", "field"),
    [(("$450,000", "a lot"), "Lead Value"), ((",open,", ",maybe,"), "status")],
)
def test_a_bad_deal_is_refused_by_the_column_that_the_file_knows(
    reader: CsvExportReader, tmp_path: Path, change: tuple[str, str], field: str
) -> None:
    (row,) = rows(reader, written(tmp_path, DEALS.replace(*change)))
    assert row.refused is not None
    assert row.refused.field == field


def test_the_kind_is_guessed_by_the_header_and_may_be_told(reader: CsvExportReader, tmp_path: Path) -> None:
    assert reader.layout(written(tmp_path, CONTACTS), kind=None).kind is ExportKind.CONTACTS
    assert reader.layout(written(tmp_path, DEALS), kind=None).kind is ExportKind.OPPORTUNITIES
    assert reader.layout(written(tmp_path, DEALS), kind=ExportKind.CONTACTS).columns["contact_id"] == 13


def test_nothing_is_taken_from_address_company_or_birth_date(reader: CsvExportReader, tmp_path: Path) -> None:
    text = (
        "Contact Id,Company,Address,Postal Code,Date of Birth,Country\nc-1,Acme,1 Elm,78701,1970-01-01,US\n"
    )
    layout = reader.layout(written(tmp_path, text), kind=None)
    assert layout.ignored == ("Company", "Address", "Postal Code", "Date of Birth", "Country")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column of a contacts or opportunities export"),
        ("First Name,Name\nAna,Ana\n", "'Contact Id', 'Email' or 'Phone'"),
        ("Contact Id,stage\nc-1,New\n", "'Opportunity ID' or 'Opportunity Name'"),
    ],
)
def test_a_file_that_is_no_export_is_refused_with_the_fix(
    reader: CsvExportReader, tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        reader.layout(written(tmp_path, text), kind=None)


def test_a_file_that_is_not_there_is_named(reader: CsvExportReader, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv: no such file"):
        reader.layout(tmp_path / "nothing.csv", kind=None)


def test_a_quote_that_is_never_closed_names_the_line(reader: CsvExportReader, tmp_path: Path) -> None:
    text = 'Contact Id,Email\nc-1,a@example.com\nc-2,"' + "x" * 1_100_000
    with pytest.raises(InputError, match="line 3: not readable as CSV"):
        rows(reader, written(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T15:15:00Z",
        "2026-03-01 09:15:00",
        "2026-03-01T09:15:00-06:00",
        "03/01/2026 09:15",
        "3/1/2026 9:15 AM",
        "03/01/2026, 9:15:00 am",
        "Mar 01 2026 09:15 AM",
        "March 1st 2026, 9:15 a.m.",
        "1 Mar 2026 09:15",
        "1772378100000",
    ],
)
def test_a_date_is_read_in_iso_and_in_us_order(text: str) -> None:
    assert moment(text, ZoneInfo("America/Chicago")) == datetime(2026, 3, 1, 15, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["31/12/2026", "soon", "0001-01-01", "2026", "12:30", "2026-02-30", "9" * 13]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert moment(text, UTC) is None
