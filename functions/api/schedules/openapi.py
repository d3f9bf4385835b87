"""The part of /openapi.json that is about schedules."""

from __future__ import annotations

from functions.api.openapi import COMPONENTS, KEY_SPELLINGS, TASK_HEADER, Json, ok, operation
from functions.api.schedules import views as schedule_views
from functions.api.schedules.requests import NOT_IN_TEMPLATES, ChangeSchedule, CreateSchedule
from functions.api.tasks import answers, listing
from functions.intake.task_requests import SUBMIT_ALIASES, SubmitTask

WEEKDAYS: Json = {
    "name": "morning report",
    "cron": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "task": {"type": "DELAYED_MESSAGE", "payload": {"message": "good morning"}},
    "overlap": "skip",
    "catchUp": "last",
}
RATE: Json = {"rate": "5 minutes", "task": {"type": "DELAYED_MESSAGE", "payload": {"message": "again"}}}
GONE = "There is no such schedule of this caller."
ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"$ref": f"{COMPONENTS}ScheduleId"}}


def schedule_paths(key: Json) -> Json:
    """`key`: the parameter Idempotency-Key."""
    one = schedule_views.ScheduleAnswer
    location = {"Location": {"description": "Path of the schedule.", "schema": {"type": "string"}}}
    create = operation(
        "schedules",
        "createSchedule",
        "Submit a task again and again",
        {201: ok("The schedule.", one, location), 200: ok("Created before.", one, location)},
        (400, 413, 415, 422),
        parameters=[key],
        body=CreateSchedule,
    )
    create["requestBody"]["content"]["application/json"]["examples"] = {
        "weekdays": {"value": WEEKDAYS},
        "rate": {"value": RATE},
    }
    change = operation(
        "schedules",
        "changeSchedule",
        "Change anything of a schedule; pause and resume it",
        {200: ok("The schedule as it is after.", one, location)},
        (400, 404, 409, 413, 415, 422),
        body=ChangeSchedule,
    )
    run = operation(
        "schedules",
        "runSchedule",
        "Submit its task now, once for each Idempotency-Key",
        {201: ok("The task.", answers.Task, TASK_HEADER), 200: ok("Run before.", answers.Task, TASK_HEADER)},
        (400, 404, 415, 422),
        parameters=[key | {"description": f"The same key is the same run. {KEY_SPELLINGS}"}],
    )
    limit = {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT}
    pages = [
        {"name": "limit", "in": "query", "description": "Schedules in a page, at most.", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "Of the page before.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
        },
    ]
    get = operation("schedules", "getSchedule", "Look at a schedule", {200: ok("The schedule.", one, location)}, (404,))
    gone: dict[int, Json] = {204: {"description": "It is gone; its tasks stay."}}
    delete = operation("schedules", "deleteSchedule", "Delete a schedule", gone, (404,))
    for described in (change, run, get, delete):
        described["responses"]["404"]["description"] = GONE
    return {
        "/schedules": {
            "get": operation(
                "schedules",
                "listSchedules",
                "List schedules, newest first",
                {200: ok("A page.", schedule_views.ScheduleList)},
                (422,),
                parameters=pages,
            ),
            "post": create,
        },
        "/schedules/{id}": {"parameters": [ID], "get": get, "patch": change, "delete": delete},
        "/schedules/{id}/run": {"parameters": [ID], "post": run},
    }


def templates_schema(made: Json) -> None:
    """A template is a submit that leaves some things out; cron or rate, not both."""
    forbidden = [
        name
        for field in NOT_IN_TEMPLATES
        for name in (field, *(alias for alias, known in SUBMIT_ALIASES.items() if known == field))
    ]
    template = {
        "allOf": [{"$ref": COMPONENTS + SubmitTask.__name__}],
        "not": {"anyOf": [{"required": [name]} for name in forbidden]},
        "description": "As in POST /tasks, without times, idempotency key and dependencies.",
    }
    for model in (CreateSchedule, ChangeSchedule):
        schema = made[model.__name__]
        schema["properties"]["task"] = template if model is CreateSchedule else {"anyOf": [template, {"type": "null"}]}
        schema["not"]["anyOf"].append({"required": ["cron", "rate"]})
    made[CreateSchedule.__name__]["anyOf"] = [{"required": ["cron"]}, {"required": ["rate"]}]
