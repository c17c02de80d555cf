"""Whose word on a wish counts: the CRM's, the lead's own on the brokerage's site, or an agent's correction.

Called by: ml/lead_state (the merge), api/routes/wishes (what a correction goes over).

The newest word counts, with one exception: a CRM repeats every field whenever anything about a contact changes, so its
word against a correction counts only if it is not what was corrected. The correction brings along what the CRM stated
then. So each voice keeps its newest word per wish, which is a maximum and comes out the same in any order, and what
counts follows from three words, whatever else was said in between. The price: a CRM that goes to a new value and back
to the corrected one is corrected again. "Has changed since" would need the whole history, or the order of arrival.
"""

from __future__ import annotations

from typing import Final

from ghl_real_estate_ai.models.leads import Lead, Stamp, Voice, VoiceWords
from ghl_real_estate_ai.models.properties import Wishes

_SILENT: Final = VoiceWords()
_WISHES: Final = tuple(Wishes.model_fields)


def stated(
    lead: Lead, voice: Voice, wishes: Wishes, stamp: Stamp, *, instead_of: Wishes | None = None
) -> dict[str, object]:
    """The fields of the lead that change when the voice states the wishes that are set in ``wishes``.

    ``instead_of``: of a correction, what the CRM stated then.
    """
    if not wishes.model_fields_set:
        return {}
    known = voices_of(lead)
    before = known.get(voice, _SILENT)
    newer = [
        name for name in wishes.model_fields_set if (last := before.stamps.get(name)) is None or last < stamp
    ]
    if not newer:
        return {}
    words: dict[str, object] = {
        "wishes": _with(before.wishes, wishes, newer),
        "stamps": {**before.stamps, **dict.fromkeys(newer, stamp)},
    }
    if instead_of is not None:
        words["instead_of"] = _with(before.instead_of, instead_of, newer)
    voices = {**known, voice: before.model_copy(update=words)}
    counting = {name: _counting(voices, name) for name in newer}
    changes: dict[str, object] = {
        "wishes": lead.wishes.model_copy(
            update={name: getattr(one.wishes, name) for name, one in counting.items()}
        ),
        "stamps": {**lead.stamps, **{name: one.stamps[name] for name, one in counting.items()}},
    }
    if voices.keys() != {Voice.CRM}:
        changes["voices"] = voices
    return changes


def voices_of(lead: Lead) -> dict[Voice, VoiceWords]:
    """Everybody's newest words. A lead that keeps none apart knows its wishes from the CRM alone."""
    if lead.voices:
        return lead.voices
    stamps = {name: lead.stamps[name] for name in _WISHES if name in lead.stamps}
    return {Voice.CRM: _SILENT.model_copy(update={"wishes": lead.wishes, "stamps": stamps})} if stamps else {}


def crm_words(lead: Lead) -> VoiceWords:
    """What the CRM states of the wishes, whether it counts or not."""
    return voices_of(lead).get(Voice.CRM, _SILENT)


def _counting(voices: dict[Voice, VoiceWords], name: str) -> VoiceWords:
    """The voice whose word on the wish counts; at least one has stated it."""
    if len(voices) == 1:
        return next(iter(voices.values()))
    stating = {voice: words for voice, words in voices.items() if name in words.stamps}
    agent, crm = stating.get(Voice.AGENT), stating.get(Voice.CRM)
    if agent and crm and getattr(crm.wishes, name) == getattr(agent.instead_of, name):
        del stating[Voice.CRM]
    return max(stating.values(), key=lambda words: words.stamps[name])


def _with(known: Wishes, new: Wishes, names: list[str]) -> Wishes:
    return known.model_copy(update={name: getattr(new, name) for name in names})
