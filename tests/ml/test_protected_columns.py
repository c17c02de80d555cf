"""Protected classes and their proxies are found by whole words in any spelling, and by clear values; nothing else is."""

from __future__ import annotations

import polars as pl
import pytest

from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.ml.protected_columns import protected_columns

PROTECTED = """First Name|lastName|full_name|name|Contact Name|customer_name|Language|preferred_language|Gender|sex|is_male|
SeniorCitizen|age|Age|customer_age|age_group|avg_age|AgeYears|contact_age|birth_date|DOB|dateOfBirth|marital|
marital_status|MaritalStatus|married|spouse_income|children|num_kids|Dependents|hasChildren|household_size|religion|race|
Ethnicity|nationality|Country|country_code|CountryOfBirth|disability|is_disabled|wheelchair_user|military|
veteran_status|income_source|ZIP|zipCode|ZIPCode|zip_code|Zip codes|zip3|postalCode|postcode|census_tract|
zip_median_income|pct_hispanic|Segment|history_segment|cluster_id|sexual_orientation|school_rating|crime_rate|Muslim|
Is Jewish|Hindu|Buddhist|Roman catholic|Protestant|christian_household|atheist|gay|hiv|asian|black|white_pct|pct white|
pct_white_2020|black_population|share_of_black_households|is_asian|white_flag|unmarried|cohabiting|Singles|single_flag|
pct_single|domestic_partner|parents|is_parent|family|has_family|couple|single_mom|hh_size|hhsize|nchild|spanish_speaker|
english_speaking|hablaEspanol|habla español|chinese_buyer|foreign_buyer|yearofbirth|dateofbirth|retiree|is_retired|
millennial|housing_assistance|ssn|neighborhood|Neighbourhood Name|lat|long|lng|latitude|home_longitude"""
HARMLESS = """page views|message|usage|stage|mileage|garage|age_of_listing|lead age days|LeadAge|home_age|account_age_days|
Total Time Spent on Website|PageValues|Lead Source|Lead Origin|City|Specialization|campaign|duration|poutcome|month|
contact|education|euribor3m|company_name|campaign_name|product name|single family|family_room|trace|average|percentage|
emails|days_on_market|Recency (months)|V1|x12|sms_disabled|country_club|nr.employed|job|housing|ExitRates|SpecialDay|
VisitorType|mens|womens|channel|Lead Profile|manager|package|image|engagement|voltage|mortgage|brokerage|coverage|
sqft_living|condition|Browser|Region|lead generation|tagline|sextet|essex_branch|embrace|single family home|
single_family_flag|num_single_family|multi_family|has_family_room|family_home|product_family|black_friday|is_black_friday|
black_friday_buyer|white_label|white_label_flag|is_white_label_lead|black_box|white_kitchen|asian_cuisine|
asian_restaurant_count|chinese_restaurants_nearby|spanish_style|french_doors|foreign_currency|partner|Partner|
channel_partner|lead_partner|partner_source|parent_id|parent_company|parent_lead|single_tenant|single_story|
mother_in_law_suite|neighborhoods_viewed|num_neighborhood_searches|long_term|long_description|platform|status|blacklisted|
speakers|keynote_speaker|good_faith_deposit|3Ssn Porch|service_name"""


def listed(text: str) -> list[str]:
    return [name.strip() for name in text.replace("\n", "").split("|")]


@pytest.mark.parametrize("name", listed(PROTECTED))
def test_a_protected_name_is_found_in_any_spelling(name: str) -> None:
    (flag,) = protected_columns([name])
    assert (flag.column, flag.kind) == (name, "protected")
    assert "cannot be allowed" in flag.reason
    assert str(flag.evidence["word"]) in flag.reason


@pytest.mark.parametrize("name", listed(HARMLESS))
def test_words_that_only_hold_or_resemble_one_are_left_alone(name: str) -> None:
    assert protected_columns([name]) == []


def test_no_input_of_our_own_models_is_flagged() -> None:
    assert protected_columns(FEATURE_NAMES) == []


@pytest.mark.parametrize(
    ("values", "means"),
    [
        (["male", "female", None, "female"], "sex"),
        (["M", "F", "F", "M"], "sex"),
        (["Mr", "Mrs", "Ms", "Mr"], "sex"),
        (["single", "married", "divorced", "married"], "marital"),
        (["English", "Spanish", "english", "Unknown"], "language"),
        (["US", "Mexico", "India", "US"], "national origin"),
        (["US", "CA", "US", None], "national origin"),
        (["USA", "CAN", "MEX", "USA"], "national origin"),
        (["White", "Black", "Asian", "Hispanic"], "race"),
        (["Catholic", "Muslim", "none", "Hindu"], "religion"),
        (["02134", "02139", "02134", "01002"], "postal"),
        (["M5V 3L9", "K1A 0B1", "M5V 3L9", "H2X 1Y4"], "postal"),
        (
            [
                f"{first} Miller"
                for first in ["James", "Maria", "Ahmed", "Linda", "Nguyen", "Priya", "Carlos", "Olga", "Mary"]
            ],
            "name",
        ),
        ([f"{1940 + 4 * place}-05-0{place % 9 + 1}" for place in range(16)], "age"),
    ],
)
def test_values_give_a_class_away_under_any_name(values: list[str | None], means: str) -> None:
    (flag,) = protected_columns(["c3"], pl.DataFrame({"c3": values}))
    assert flag.reason.startswith(means) or f" {means}" in flag.reason.split(":")[0]
    assert "% of its values" in flag.reason


@pytest.mark.parametrize(
    "values",
    [
        ["white", "black", "grey", "white"],  # walls
        ["white", "black", "black", "white"],
        ["single family", "condo", "townhouse", "single family"],
        ["single", "double", "single", "twin"],  # beds
        ["Austin", "Dallas", "Houston", "Paris"],
        ["yes", "no", "yes", "no"],
        ["m", "l", "s", "m"],  # sizes
        ["AL", "CA", "NY", "TX"],  # states
        ["CA", "CO", "DE", "IN"],
        ["IT", "HR", "PR", "IT"],  # teams
        ["AM", "PM", "PM", "AM"],
        ["asian", "italian", "mexican", "asian"],  # kitchens
        ["Google", "Direct", "Facebook", "Zillow"],
        ["2024-01-05", "2024-02-09", "2025-03-01", "2025-06-30"] * 5,
        [None, None, None, None],
    ],
)
def test_values_that_may_mean_something_else_are_left_alone(values: list[str | None]) -> None:
    assert protected_columns(["c3"], pl.DataFrame({"c3": pl.Series(values, dtype=pl.String)})) == []


def test_flags_stand_in_the_order_of_the_names() -> None:
    names = ["zip", "visits", "Gender"]
    assert [flag.column for flag in protected_columns(names)] == ["zip", "Gender"]


@pytest.mark.parametrize("cells", [["Yes", "No", "No"], ["1", "0", None], [True, False, True], [1, 0, 1]])
def test_a_partner_told_by_yes_or_no_is_a_spouse(cells: list[object]) -> None:
    (flag,) = protected_columns(["Partner"], pl.DataFrame({"Partner": cells}))
    assert flag.reason.startswith("marital")


def test_a_partner_told_by_name_or_amount_is_a_company() -> None:
    for cells in (["Zillow", "Bank", "Zillow"], [3.5, 20.0, 0.0], [None, None, None]):
        assert protected_columns(["Partner"], pl.DataFrame({"Partner": cells})) == []


def test_the_place_of_a_person_is_refused_and_the_place_of_a_home_is_not() -> None:
    places = ["latitude", "longitude", "neighborhood"]
    assert [flag.column for flag in protected_columns(places)] == places
    assert protected_columns(places, of_homes=True) == []
    assert [flag.column for flag in protected_columns(["zip", "latitude"], of_homes=True)] == ["zip"]
