"""A correction holds against a CRM that repeats itself, and against nothing else; whatever the order of the words."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.ml.lead_state import apply, held_since, states_something_new
from ghl_real_estate_ai.ml.wish_voices import crm_words
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.leads import Lead, Voice
from ghl_real_estate_ai.models.properties import Wishes
from tests.support.lead_events import START, WISHING, EventMaker, logs

HOUR = timedelta(hours=1)


class Talk:
    """Words on wishes, an hour apart."""

    def __init__(self) -> None:
        self._maker = EventMaker()
        self.words: list[RecordedEvent] = []

    def _say(self, kind: str, **fields: Any) -> Talk:
        self.words.append(self._maker.make(kind, at=START + len(self.words) * HOUR, **fields))
        return self

    def crm(self, **wishes: object) -> Talk:
        return self._say("LeadUpserted", created=not self.words, contact={"name": "Ann"}, wishes=wishes)

    def search(self, **wishes: object) -> Talk:
        return self._say("PropertyActivityRecorded", interaction="searched", wishes=wishes)

    def corrected(self, *, crm: dict[str, object] | None = None, **wishes: object) -> Talk:
        return self._say("WishesCorrected", wishes=wishes, instead_of=crm or {}, user_id="u1")

    def city(self) -> str | None:
        """The wish in the end; the same in every order, and when each word comes twice."""
        found = {_lead(words).wishes.city for words in itertools.permutations(self.words)}
        assert _lead([*self.words, *self.words]).wishes == _lead(self.words).wishes
        (city,) = found
        return city


def _lead(words: Iterable[RecordedEvent]) -> Lead:
    """As live: stored and read back in between."""
    lead: Lead | None = None
    for word in words:
        lead = Lead.model_validate_json(apply(lead, word).model_dump_json())
    assert lead is not None
    return lead


AUSTIN: dict[str, object] = {"city": "Austin"}


def test_a_crm_that_repeats_what_was_corrected_does_not_go_over_the_correction() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN)
    assert talk.crm(city="Austin").crm(city="Austin").city() == "Marfa"


def test_a_new_value_of_the_crm_goes_over_it_and_its_repetition_too() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).crm(city="Waco")
    assert talk.city() == "Waco"
    assert talk.crm(city="Waco").city() == "Waco"


def test_a_wish_that_was_taken_out_stays_out_and_one_that_the_crm_never_stated_stays_in() -> None:
    assert Talk().crm(city="Austin").corrected(city=None, crm=AUSTIN).crm(city="Austin").city() is None
    assert Talk().crm().corrected(city="Marfa", crm={"city": None}).crm(city=None).city() == "Marfa"
    assert Talk().crm().corrected(city="Marfa", crm={"city": None}).crm(city="Waco").city() == "Waco"


def test_a_crm_that_takes_the_corrected_wish_out_tells_news() -> None:
    assert Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).crm(city=None).city() is None


def test_a_correction_after_a_new_value_holds_against_that_one() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).crm(city="Waco")
    assert talk.corrected(city="Marfa", crm={"city": "Waco"}).crm(city="Waco").city() == "Marfa"


def test_a_crm_that_goes_back_to_the_corrected_value_is_corrected_again() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).crm(city="Waco")
    assert talk.crm(city="Austin").city() == "Marfa"


def test_a_later_search_is_the_leads_own_newer_word_and_no_repetition_of_the_crm_brings_the_old_one_back() -> (
    None
):
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).search(city="Dallas")
    assert talk.city() == "Dallas"
    assert talk.crm(city="Austin").city() == "Dallas"
    assert talk.crm(city="Waco").city() == "Waco"


def test_an_earlier_search_is_corrected() -> None:
    assert (
        Talk().crm(city="Austin").search(city="Dallas").corrected(city="Marfa", crm=AUSTIN).city() == "Marfa"
    )


def test_the_undo_is_a_correction_like_another() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN).crm(city="Austin")
    assert talk.corrected(city="Austin", crm=AUSTIN).city() == "Austin"
    assert talk.crm(city="Waco").city() == "Waco"


def test_a_correction_without_what_it_replaced_is_a_word_like_others() -> None:
    """As the log of before holds them."""
    assert Talk().crm(city="Austin").corrected(city="Marfa").city() == "Marfa"
    assert Talk().crm(city="Austin").corrected(city="Marfa").crm(city="Austin").city() == "Austin"


def test_without_corrections_the_newest_word_counts_and_voices_are_kept_apart_only_when_there_are_two() -> (
    None
):
    talk = Talk().crm(city="Austin")
    assert _lead(talk.words).voices == {}
    talk.search(city="Dallas")
    assert talk.city() == "Dallas"
    assert set(_lead(talk.words).voices) == {Voice.CRM, Voice.SITE}
    assert talk.crm(city="Austin").city() == "Austin"


def test_values_are_compared_as_they_are_meant() -> None:
    talk = Talk().crm(max_list_price="400000", features=["pool", "garage"])
    talk.corrected(
        max_list_price=450_000, features=None, crm={"max_list_price": 400_000, "features": ["garage", "pool"]}
    )
    lead = _lead(talk.crm(max_list_price="400000.00", features=["garage", "pool"]).words)
    assert lead.wishes == Wishes.model_validate({"max_list_price": 450_000})


def test_what_the_crm_states_is_known_beside_the_correction() -> None:
    talk = Talk().crm(city="Austin")
    assert crm_words(_lead(talk.words)).wishes.city == "Austin"
    assert crm_words(_lead(talk.corrected(city="Marfa", crm=AUSTIN).words)).wishes.city == "Austin"
    assert crm_words(Lead.model_validate({"location_id": "l", "lead_id": "a"})).wishes == Wishes()


def test_a_crm_that_is_read_again_after_a_correction_says_nothing_new() -> None:
    talk = Talk().crm(city="Austin").corrected(city="Marfa", crm=AUSTIN)
    lead = _lead(talk.words)
    again, news = Talk().crm().crm(city="Austin").words[1], Talk().crm().crm().crm(city="Waco").words[2]
    assert not states_something_new(lead, again.event)
    assert states_something_new(lead, news.event)
    assert held_since(lead, again.event) == START


def test_a_lead_that_was_stored_before_voices_were_kept_knows_its_wishes_from_the_crm() -> None:
    talk = Talk().crm(city="Austin").search(city="Dallas")
    old = Lead.model_validate_json(_lead(talk.words).model_dump_json(exclude={"voices"}))
    assert old.wishes.city == "Dallas"
    assert crm_words(old).wishes.city == "Dallas"
    corrected = talk.corrected(city="Marfa", crm={"city": "Dallas"}).crm(city="Dallas").words[2:]
    assert reduce(apply, corrected, old).wishes.city == "Marfa"


def test_an_unreadable_replaced_value_is_refused_by_name() -> None:
    with pytest.raises(TranslationError, match="max_list_price"):
        _lead(Talk().corrected(city="Marfa", crm={"max_list_price": "cheap"}).words)


@given(logs(of=WISHING, max_size=14), st.integers(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_order_of_words_each_once_or_twice_gives_the_same_wishes(
    words: list[RecordedEvent], seed: int, stored: bool
) -> None:
    told = random.Random(seed).sample([*words, *words[::2]], len(words) + len(words[::2]))
    if not words:
        return
    lead, other = reduce(apply, words, None), _lead(told) if stored else reduce(apply, told, None)
    assert lead is not None
    assert other is not None
    for name in ("wishes", "voices", "stamps", "contact", "deleted"):
        assert getattr(lead, name) == getattr(other, name), name


@given(logs(of=WISHING, max_size=14))
@settings(max_examples=100, deadline=None)
def test_the_wishes_are_what_the_rule_says_of_the_newest_words(words: list[RecordedEvent]) -> None:
    """The rule in other words: told over the whole log, one wish at a time."""
    lead = reduce(apply, words, None)
    known = Wishes() if lead is None else lead.wishes
    for name in ("city", "max_list_price", "features"):
        assert getattr(known, name) == _ruled(words, name)


def _ruled(words: list[RecordedEvent], name: str) -> object:
    newest: dict[str, tuple[RecordedEvent, object]] = {}
    for word in sorted(words, key=lambda one: (one.event.occurred_at, one.event.event_id)):
        said = getattr(word.event, "wishes", {})
        if name in said and not (word.event.type == "PropertyActivityRecorded" and said[name] in ("", None)):
            newest[word.event.type] = (word, _value(name, said[name]))
    correction, crm = newest.get("WishesCorrected"), newest.get("LeadUpserted")
    if correction is not None and crm is not None:
        replaced = getattr(correction[0].event, "instead_of", {}).get(name)
        if crm[1] == _value(name, replaced):
            del newest["LeadUpserted"]
    last = max(
        newest.values(), key=lambda one: (one[0].event.occurred_at, one[0].event.event_id), default=None
    )
    return _value(name, None) if last is None else last[1]


def _value(name: str, said: object) -> object:
    return getattr(Wishes.model_validate({name: said or () if name == "features" else said}), name)
