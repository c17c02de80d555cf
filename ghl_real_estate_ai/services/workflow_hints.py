"""What an unsigned workflow webhook may do: be kept, and have the lead that it names read again by API. Nothing else.

Called by api/routes/webhooks.py; crm_reread serves the requests.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from ghl_real_estate_ai.limits import REREAD_DELAYS_S
from ghl_real_estate_ai.models.connections import workflow_key_hash
from ghl_real_estate_ai.models.events import Delivery, Source
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.ports import Memory, UnitOfWork
from ghl_real_estate_ai.services.admission import Outcome, Receipt
from ghl_real_estate_ai.services.event_inbox import EventInbox


async def location_with_key(memory: Memory, key: str) -> LocationId | None:
    """Whose URL holds this secret; None: nobody's."""
    digest = workflow_key_hash(key)
    setup = await memory.read(lambda uow: uow.connections.setup_by_workflow_key(digest))
    known = (setup and setup.workflow_key_hash) or ""
    return setup.location_id if setup and hmac.compare_digest(known, digest) else None


async def is_simulated(memory: Memory, location_id: LocationId, *, otherwise: bool) -> bool:
    """Whether the location's account is not GoHighLevel's own; ``otherwise``: what counts while it is not connected."""
    connection = await memory.read(lambda uow: uow.connections.get(location_id))
    return connection.simulated if connection else otherwise


async def take_hint(inbox: EventInbox, hint: Delivery) -> Receipt:
    """Keep the hint and ask for its lead to be read again, in one transaction. Raises StorageUnavailable.

    The same bytes may come for a second thing that happened: a duplicate asks again, too.
    """
    event, due_at = hint.event, hint.received_at + timedelta(seconds=REREAD_DELAYS_S[0])

    def ask(uow: UnitOfWork, receipt: Receipt) -> None:
        if event.lead_id is not None and receipt.outcome in {Outcome.STORED, Outcome.DUPLICATE}:
            uow.sync.request_reread(
                RereadRequest(
                    location_id=event.location_id,
                    lead_id=event.lead_id,
                    requested_at=hint.received_at,
                    due_at=due_at,
                )
            )

    return await inbox.receive(hint, source=Source.WORKFLOW_WEBHOOK, also=ask)
