"""Taking back consent by any reasonable words, and words that only look like it."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.compliance.revocation import (
    NOT_INTERESTED,
    STOP,
    WRONG_NUMBER,
    revocation,
    takes_back,
)


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "Stop.", "stop!!!", "STOPALL", "please stop", "STOP please", "stop it", "Unsubscribe", "UNSUB", "opt out", "Opt-out", "cancel", "END", "quit", "OFF", "alto",
        "stop texting me", "Please stop messaging this number", "stop contacting us", "stop all communications and texting", "quit calling", "cease all contact",
        "stop sending me these", "stop spamming me", "stop with the texts already, stop texting", "can you stop emailing me", "I said stop texting", "cease and desist",
        "remove me", "Remove me from your list", "please remove my number", "take me off your list", "take us off this list please", "delete my info", "delete my number now",
        "get me off this list", "lose my number", "Lose this number.", "don't text me", "do not contact me again", "dont call me", "never contact me again",
        "please do not reach out to me", "I don't want any more messages", "do not want to receive texts from you", "don't wish to be contacted", "no more texts", "No more emails please",
        "leave me alone", "go away", "put me on your do not call list", "this is spam", "reported as spam", "this is harassment", "no me llamen", "No me escriban mas", "unsubscribe me please thanks",
        "pls stop", "Stop, thanks", "just stop", "I said stop", "can you please stop", "hey stop", "no thanks, stop", "stop!!! i mean it", "STOP - sold already", "stop 2 texting me", "please dont",
        "do not text", "don't message", "don't call or text please", "no texts please", "no calls, thanks", "i no longer wish to receive these", "I told you to stop.", "We bought already. Stop!",
    ],
)  # fmt: skip
def test_any_reasonable_words_take_consent_back(text: str) -> None:
    found = revocation(text.lower())
    assert found is not None
    assert found.words == STOP
    assert 0 <= found.start < found.end <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "can we stop by the house tomorrow", "I'll stop in at the open house", "can't stop thinking about it", "is there a bus stop nearby", "a non-stop commute", "don't stop sending me homes",
        "please never stop sending these", "one stop shop", "the stop sign on Oak", "when does it end", "at the end of June", "take me through the offer", "take us to see it", "what's the cut off date",
        "is the showing cancelled", "remove the carpet?", "can they remove the fence", "don't call me before 5", "please don't text me until tomorrow", "don't send condos", "I don't want a pool",
        "we want more than 3 beds", "the price is wrong", "wrong street, I meant Elm", "delete the dishwasher from the list of repairs", "off market homes?", "is it off the market", "stop the clock",
        "not sure", "quite nice", "what is the option period", "we're looking for a place", "interested!", "I am interested in it", "not interested in that one", "not looking for a condo",
        "stop sending me condos, only houses", "please don't stop", "stop the search", "we saw the bus stop, nice", "a non-stop, easy commute", "don't call, text me", "no calls please, text me instead",
        "no calls after 8", "I don't text.", "no longer want to be in Dallas", "Stop at the office first?",
    ],
)  # fmt: skip
def test_words_that_only_look_like_it_do_not(text: str) -> None:
    assert revocation(text.lower()) is None


@pytest.mark.parametrize(
    "text", ["Wrong number", "you have the wrong person", "wrong number, sorry", "this is not her number"]
)
def test_a_wrong_number_is_told_apart(text: str) -> None:
    found = revocation(text.lower())
    assert found is not None
    assert found.words == WRONG_NUMBER


@pytest.mark.parametrize(
    "text",
    [
        "not interested",
        "Not interested, thanks",
        "no longer interested",
        "we are no longer looking",
        "not in the market",
    ],
)
def test_no_interest_is_told_apart(text: str) -> None:
    found = revocation(text.lower())
    assert found is not None
    assert found.words == NOT_INTERESTED


def test_the_carriers_keywords_give_consent_again_and_nothing_else_does() -> None:
    assert takes_back("START") is False
    assert takes_back("start")
    assert takes_back("unstop.")
    assert not takes_back("when can we start")
