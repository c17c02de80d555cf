"""The newest facts of each tenant that this process committed: handed to their handlers without reading them again.

Called by ``event_bus``. Only an unbroken run of positions is given out; whatever is missing in it is read from the log.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from ghl_real_estate_ai.limits import RECENT_FACTS, RECENT_TENANTS
from ghl_real_estate_ai.models.events import LeadForgotten, RecordedEvent
from ghl_real_estate_ai.models.identifiers import LocationId


class RecentFacts:
    """RECENT_FACTS of each of RECENT_TENANTS tenants; the tenants heard of longest ago go first."""

    def __init__(self) -> None:
        self._runs: OrderedDict[LocationId, deque[RecordedEvent]] = OrderedDict()

    def add(self, fact: RecordedEvent) -> None:
        """A fact was committed here. After a hole a new run begins; a lead's erasure leaves nothing to hand out."""
        location_id = fact.event.location_id
        if isinstance(fact.event, LeadForgotten):
            self.drop(location_id)
            return
        run = self._runs.setdefault(location_id, deque(maxlen=RECENT_FACTS))
        if run and fact.position != run[-1].position + 1:
            run.clear()
        run.append(fact)
        self._runs.move_to_end(location_id)
        if len(self._runs) > RECENT_TENANTS:
            self._runs.popitem(last=False)

    def after(
        self, location_id: LocationId, position: int, *, types: frozenset[str], limit: int
    ) -> tuple[list[RecordedEvent], int] | None:
        """As ``EventLog.read_types``; None when the run does not begin right after the position, or before it."""
        run = self._runs.get(location_id)
        if not run or run[0].position > position + 1 or run[-1].position <= position:
            return None
        wanted = [fact for fact in run if fact.position > position and fact.event.type in types][:limit]
        return wanted, wanted[-1].position if len(wanted) == limit else run[-1].position

    def drop(self, location_id: LocationId) -> None:
        """The log holds something that this process did not put there: it may say that a lead was erased."""
        self._runs.pop(location_id, None)

    def clear(self) -> None:
        """The log may not hold these any more, or somebody else looks after their tenants now."""
        self._runs.clear()
