"""The ids of our custom fields in an account: found by name, made where they are missing, kept in the location's setup.

Called by writer.py. The account's own fields are never touched; one of ours that was renamed there is still ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from ghl_real_estate_ai.errors import CrmRefused
from ghl_real_estate_ai.integrations.gohighlevel.account_resources import CustomField
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.limits import OWN_FIELDS_CHECK_S
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.write_back import NUMBER_FIELDS, OwnField
from ghl_real_estate_ai.ports import Clock, Memory, UnitOfWork

_CHECKED_EVERY: Final = timedelta(seconds=OWN_FIELDS_CHECK_S)
_CONTACT: Final = frozenset({None, "contact"})


class OwnFields:
    """Asks the account now and then, and when something is not known or turned out to be gone."""

    def __init__(self, *, client: GoHighLevelClient, memory: Memory, clock: Clock) -> None:
        self._client = client
        self._memory = memory
        self._clock = clock
        self._checked_at: dict[LocationId, datetime] = {}
        self._refused: dict[LocationId, str] = {}

    async def ids(self, location_id: LocationId) -> dict[str, str]:
        """Name of each of our fields -> its id. GoHighLevel takes a deleted field's id without a word: so they are checked."""
        checked_at = self._checked_at.get(location_id)
        if checked_at is None or self._clock.now() - checked_at >= _CHECKED_EVERY:
            return await self.renewed(location_id)
        if location_id in self._refused:
            raise CrmRefused(self._refused[location_id], status=HTTPStatus.CONFLICT)
        known = await self._kept(location_id)
        if all(name in known for name in OwnField):
            return {name.value: known[name] for name in OwnField}
        return await self.renewed(location_id)

    async def renewed(self, location_id: LocationId) -> dict[str, str]:
        """The same, asked anew: a field that was deleted in the account is made again.

        Raises CrmRefused when a field of our name holds another kind of value; ``ids`` then says so until the next check.
        """
        kept = await self._kept(location_id)
        listing = await self._client.list_custom_fields(location_id, model="contact")
        fields = [field for field in listing.custom_fields if field.model in _CONTACT]
        by_name, by_id = {field.name: field for field in fields}, {field.id: field for field in fields}
        found = {name: by_name.get(name) or by_id.get(kept.get(name, "")) for name in OwnField}
        self._check_types(location_id, found)
        ids: dict[str, str] = {}
        for name, field in found.items():
            ids[name.value] = (field or await self._made(location_id, name)).id
        await self._memory.write(lambda uow: _keep(uow, location_id, ids))
        self._checked_at[location_id] = self._clock.now()
        return ids

    def _check_types(self, location_id: LocationId, found: Mapping[OwnField, CustomField | None]) -> None:
        """A field of another type fails every change of the location: it is remembered, not asked for by each."""
        self._refused.pop(location_id, None)
        for name, field in found.items():
            if field is not None and field.data_type not in {None, _data_type(name)}:
                self._refused[location_id] = (
                    f"custom field {name.value!r}: is of type {field.data_type}, {_data_type(name)} is needed; "
                    "rename or delete it in the account"
                )
                self._checked_at[location_id] = self._clock.now()
                raise CrmRefused(self._refused[location_id], status=HTTPStatus.CONFLICT)

    async def _made(self, location_id: LocationId, name: OwnField) -> CustomField:
        return await self._client.create_custom_field(
            location_id, name=name, data_type=_data_type(name), model="contact"
        )

    async def _kept(self, location_id: LocationId) -> dict[str, str]:
        setup = await self._memory.read(lambda uow: uow.connections.setup(location_id))
        return {} if setup is None else setup.field_ids


def _data_type(name: OwnField) -> str:
    return "NUMERICAL" if name in NUMBER_FIELDS else "TEXT"


def _keep(uow: UnitOfWork, location_id: LocationId, ids: dict[str, str]) -> None:
    setup = uow.connections.setup(location_id) or LocationSetup(location_id=location_id)
    uow.connections.put_setup(setup.model_copy(update={"field_ids": {**setup.field_ids, **ids}}))
