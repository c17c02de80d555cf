"""What the name of a pipeline stage says, over the names that real estate pipelines use."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.models.crm_account import proposed_role
from ghl_real_estate_ai.models.leads import StageRole


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("New Lead", StageRole.NEW),
        ("Incoming Inquiry", StageRole.NEW),
        ("Not Yet Contacted", StageRole.NEW),
        ("Uncontacted", StageRole.NEW),
        ("Lead", StageRole.NEW),
        ("Contacted", StageRole.WORKING),
        ("Hot Lead", StageRole.WORKING),
        ("Attempting Contact", StageRole.WORKING),
        ("Nurture - Long Term", StageRole.WORKING),
        ("Pre-Approved", StageRole.WORKING),
        ("Offer Submitted", StageRole.WORKING),
        ("Under Contract", StageRole.WORKING),
        ("No Show", StageRole.WORKING),
        ("Appointment Booked", StageRole.APPOINTMENT),
        ("Showing Scheduled", StageRole.APPOINTMENT),
        ("LISTING   PRESENTATION", StageRole.APPOINTMENT),
        ("Closed", StageRole.WON),
        ("Sold", StageRole.WON),
        ("Closed Won", StageRole.WON),
        ("Past Client", StageRole.WON),
        ("Closed Lost", StageRole.LOST),
        ("Not Interested", StageRole.LOST),
        ("Dead / Unqualified", StageRole.LOST),
        ("Qualified", StageRole.WORKING),
        ("Fell Through", StageRole.LOST),
    ],
)
def test_a_stage_means_what_its_words_say(name: str, role: StageRole) -> None:
    assert proposed_role(name) is role


@pytest.mark.parametrize("name", ["", "Stage 3", "Etapa", "🏠", "Renewal", "Wonder", "Newsletter", "Hotel"])
def test_a_name_without_a_known_word_means_nothing(name: str) -> None:
    assert proposed_role(name) is None
