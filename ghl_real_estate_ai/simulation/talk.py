"""What people in the simulated city write to each other: readable English from templates and a buyer's wishes.

Called by simulation/scribe.py. No template speaks of who the buyer is or of how an area is; only of homes, prices and times.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Topic(StrEnum):
    """What a message is about. The first group is the buyer's, the second an agent's, the third an automation's."""

    INQUIRY = "inquiry"
    ASK_HOME = "ask_home"
    SEE_HOME = "see_home"
    BUDGET = "budget"
    ANSWER = "answer"
    THANKS = "thanks"
    OBJECTION = "objection"
    NUDGE = "nudge"
    FAREWELL = "farewell"

    HELLO = "hello"
    REPLY = "reply"
    OFFER_TIMES = "offer_times"
    SEND_HOMES = "send_homes"
    CHECK_IN = "check_in"

    WELCOME = "welcome"
    DRIP = "drip"


_TEMPLATES: Final[Mapping[Topic, tuple[str, ...]]] = {
    Topic.INQUIRY: (
        "Hi, I saw {home} online. Is it still available?",
        "Hello! I'm looking for {beds} in {city}, up to {budget}. Can you help?",
        "Interested in {home}. Could you send me the details?",
        "Hi, we'd like to buy in {city}. {beds}, {budget} tops.",
        "Is {home} open to offers? We are just starting our search.",
    ),
    Topic.ASK_HOME: (
        "How old is the roof at {home}?",
        "What are the monthly HOA fees at {home}?",
        "Do you know why they are selling {home}?",
        "Has {home} had any price changes?",
        "Is the {room} at {home} original or redone?",
        "Are there other offers on {home} already?",
        "What would property taxes be on {home}?",
        "Just looked at {home} again. Is the {room} as big as it looks?",
        "Any idea when the sellers of {home} could close?",
    ),
    Topic.SEE_HOME: (
        "Could we see {home} on {day} {time}?",
        "I'd love to walk through {home}. Does {day} {time} work?",
        "Is there an open house at {home} soon? {day} would suit me.",
        "Can I get a showing of {home} {day}? Any time {time} is fine.",
        "We are in {city} on {day}, can you show us {home}?",
    ),
    Topic.BUDGET: (
        "We got our pre-approval, we can go up to {budget}.",
        "Our lender says {budget} is the limit.",
        "Trying to stay under {budget} if at all possible.",
        "We need {beds} and can't go over {budget}.",
        "{budget} all in, closing costs included. Is that realistic in {city}?",
    ),
    Topic.ANSWER: (
        "Yes, that works for me.",
        "Sounds good. What else is there with {beds}?",
        "That helps. I'd want a {room} we don't have to redo though.",
        "Ok. {day} {time} is better for me.",
        "Can you send photos of the {room}?",
        "Got it. How firm is the price?",
        "Good to know. Let me look at the numbers tonight.",
        "Yes please, send me anything like {home}.",
    ),
    Topic.THANKS: (
        "Thanks, that was quick!",
        "Thank you {agent}, appreciate it.",
        "Perfect, thanks.",
        "Great, thank you for checking.",
        "Thanks for the info on {home}.",
    ),
    Topic.OBJECTION: (
        "{home} is a bit over what we wanted to spend.",
        "Not sure about {home}, the {room} feels small.",
        "Interest rates make me nervous, to be honest.",
        "We liked it but the {room} needs too much work.",
        "I think we'd rather wait for something with {beds}.",
        "The commute from there would be long for me.",
    ),
    Topic.NUDGE: (
        "Hi, did you get my message?",
        "Any news on {home}?",
        "Just checking in on my question from before.",
        "Hello? Still interested in {home}.",
        "Hi {agent}, could somebody get back to me please?",
    ),
    Topic.FAREWELL: (
        "We decided to put our search on hold. Thanks for your help.",
        "We went with another home, thank you.",
        "Not looking any more, please take me off the list.",
        "We'll stay where we are for now.",
    ),
    Topic.HELLO: (
        "Hi {name}, this is {agent}. Thanks for reaching out about {home}! When are you hoping to move?",
        "Hi {name}, {agent} here. Happy to help you find {beds} in {city}. What matters most to you in a home?",
        "Hello {name}! {agent} here, I just got your request. Would a quick call today suit you?",
    ),
    Topic.REPLY: (
        "Good question, {name}. I asked the listing agent and will send what I hear.",
        "Hi {name}, yes, {home} is still available.",
        "The sellers can be flexible on closing. The {room} was updated recently.",
        "Taxes and fees for {home} are in the sheet I just emailed you.",
        "Happy to look into that. At {budget} we have a few good options in {city}.",
        "I'd say there is some room on the price. Want me to ask?",
    ),
    Topic.OFFER_TIMES: (
        "I can show you {home} on {day} {time}. Shall I book it?",
        "How about {day} {time} for {home}? I have the key.",
        "Two slots for {home}: {day} {time}, or the day after. Which one?",
    ),
    Topic.SEND_HOMES: (
        "I found two homes in {city} with {beds} under {budget}. One is {home}. Thoughts?",
        "{home} just came on at a price you mentioned. Want to see it?",
        "Take a look at {home}, {name}. It has {beds} and an updated {room}.",
    ),
    Topic.CHECK_IN: (
        "Hi {name}, how is the search going? Anything I can line up for you?",
        "Hi {name}, {agent} here. Still thinking about {home}?",
        "Checking in, {name}. Should I keep an eye out for {beds} in {city}?",
        "Hello {name}, prices moved a little in {city} this week. Want an update?",
    ),
    Topic.WELCOME: (
        "Thanks for your interest, {name}! An agent will be in touch. Reply STOP to opt out.",
        "Hi {name}, we received your request about {city}. Reply STOP to opt out.",
    ),
    Topic.DRIP: (
        "{name}, here are this week's new listings in {city}.",
        "Five steps to a smooth closing: our short guide, {name}.",
        "New on the market in {city}: {beds} from our team.",
        "{name}, what does {budget} buy in {city} right now? See the list.",
    ),
}  # fmt: skip

_ROOMS: Final = ("kitchen", "primary bath", "living room", "basement", "laundry", "yard", "garage", "deck")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIMES: Final = ("in the morning", "at noon", "after 4 pm", "around 5:30", "at 10 am", "in the afternoon")
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five")


def write(topic: Topic, rng: random.Random, words: Mapping[str, str]) -> str:
    """One message on a topic. ``words`` fills name, agent, home, city, beds and budget."""
    template = rng.choice(_TEMPLATES[topic])
    text = template.format(room=rng.choice(_ROOMS), day=rng.choice(_DAYS), time=rng.choice(_TIMES), **words)
    return text[0].upper() + text[1:]


def bedrooms(count: int) -> str:
    """'3' -> 'three bedrooms'."""
    return f"{_NUMBERS[count] if count < len(_NUMBERS) else count} bedroom{'' if count == 1 else 's'}"


def dollars(amount: float) -> str:
    """'450000' -> '$450k'; '1250000' -> '$1.25M'."""
    return f"${amount / 1e6:.2f}M" if amount >= 1e6 else f"${amount / 1e3:.0f}k"
