"""The fake's notes and tasks of a contact. Served by ghl_server.py."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_account import Body
from ghl_real_estate_ai.simulation.ghl_answers import note_shown, task_shown
from ghl_real_estate_ai.simulation.ghl_requests import JULY, Call, answer, found, needs
from ghl_real_estate_ai.simulation.scribe import stamp

router = APIRouter(prefix="/contacts/{contact_id}")

Reads = Annotated[Call, needs("contacts.readonly", JULY)]
Writes = Annotated[Call, needs("contacts.write", JULY)]


@router.get("/notes")
async def notes(contact_id: str, call: Reads) -> Response:
    """All of a contact, newest first."""
    return answer({"notes": [note_shown(note) for note in _of(contact_id, call, call.sub_account.notes)]})


@router.post("/notes")
async def write_note(contact_id: str, call: Writes) -> Response:
    """A new note."""
    call.required(body=str)
    note = _paper(contact_id, call) | {"userId": call.body.get("userId")}
    call.sub_account.notes[str(note["id"])] = note
    call.sub_account.tell("NoteCreate", note_shown(note))
    return answer({"note": note_shown(note)}, HTTPStatus.CREATED)


@router.get("/notes/{note_id}")
async def note(contact_id: str, note_id: str, call: Reads) -> Response:
    """One note."""
    return answer({"note": note_shown(_one(note_id, call, call.sub_account.notes, "Note"))})


@router.put("/notes/{note_id}")
async def change_note(contact_id: str, note_id: str, call: Writes) -> Response:
    """Other words."""
    changed = _one(note_id, call, call.sub_account.notes, "Note") | call.body
    call.sub_account.notes[note_id] = changed
    call.sub_account.tell("NoteUpdate", note_shown(changed))
    return answer({"note": note_shown(changed)})


@router.delete("/notes/{note_id}")
async def delete_note(contact_id: str, note_id: str, call: Writes) -> Response:
    """Gone."""
    gone = _one(note_id, call, call.sub_account.notes, "Note")
    del call.sub_account.notes[note_id]
    call.sub_account.tell("NoteDelete", note_shown(gone))
    return answer(call.succeeded())


@router.get("/tasks")
async def tasks(contact_id: str, call: Reads) -> Response:
    """All of a contact, newest first."""
    return answer({"tasks": [task_shown(task) for task in _of(contact_id, call, call.sub_account.tasks)]})


@router.post("/tasks")
async def create_task(contact_id: str, call: Writes) -> Response:
    """A new task. ``completed`` must be sent, also when it is false."""
    call.required(title=str, dueDate=str, completed=bool)
    _due(call)
    task = _paper(contact_id, call)
    call.sub_account.tasks[str(task["id"])] = task
    call.sub_account.tell("TaskCreate", {**task_shown(task), "dateAdded": task["dateAdded"]})
    return answer({"task": task_shown(task)}, HTTPStatus.CREATED)


@router.get("/tasks/{task_id}")
async def task(contact_id: str, task_id: str, call: Reads) -> Response:
    """One task."""
    return answer({"task": task_shown(_one(task_id, call, call.sub_account.tasks, "Task"))})


@router.put("/tasks/{task_id}")
async def change_task(contact_id: str, task_id: str, call: Writes) -> Response:
    """Another title, date or owner. There is no webhook of it, unless it is completed."""
    _due(call)
    return _changed(call, task_id, call.body)


@router.put("/tasks/{task_id}/completed")
async def complete_task(contact_id: str, task_id: str, call: Writes) -> Response:
    """Done, or not."""
    call.required(completed=bool)
    return _changed(call, task_id, {"completed": call.body["completed"]})


@router.delete("/tasks/{task_id}")
async def delete_task(contact_id: str, task_id: str, call: Writes) -> Response:
    """Gone."""
    gone = _one(task_id, call, call.sub_account.tasks, "Task")
    del call.sub_account.tasks[task_id]
    call.sub_account.tell("TaskDelete", task_shown(gone))
    return answer(call.succeeded())


def _changed(call: Call, task_id: str, fields: Body) -> Response:
    before = _one(task_id, call, call.sub_account.tasks, "Task")
    after = before | fields
    call.sub_account.tasks[task_id] = after
    if after["completed"] and not before["completed"]:
        call.sub_account.tell("TaskComplete", {**task_shown(after), "dateAdded": after["dateAdded"]})
    return answer({"task": task_shown(after)})


def _paper(contact_id: str, call: Call) -> Body:
    found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    now = stamp(call.vendor.clock.now())
    return {**call.body, "id": call.sub_account.new_id(), "contactId": contact_id, "dateAdded": now}


def _of(contact_id: str, call: Call, shelf: dict[str, Body]) -> list[Body]:
    found(call.sub_account.contacts.get(contact_id), "Contact", contact_id, call.vendor)
    papers = [paper for paper in shelf.values() if paper["contactId"] == contact_id]
    return sorted(papers, key=lambda paper: str(paper["dateAdded"]), reverse=True)


def _one(paper_id: str, call: Call, shelf: dict[str, Body], what: str) -> Body:
    return found(shelf.get(paper_id), what, paper_id, call.vendor)


def _due(call: Call) -> None:
    said = call.body.get("dueDate")
    if said is None:
        return
    try:
        datetime.fromisoformat(str(said))
    except ValueError:
        raise VendorRefusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, ["dueDate must be a valid ISO 8601 date string"]
        ) from None
