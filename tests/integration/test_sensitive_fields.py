"""What a model marks as sensitive is given whole to the handler, and shown to nobody: every view, error and log."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import functions.tasks
from functions.build.task_types import discover
from functions.core.payloads.masking import MASK_TEXT
from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from tests.integration import workflows
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock
from tests.integration.notifications import Machine
from tests.integration.task_types import added_task_files

FILE = '''
"""VAULT: a task type whose payload is full of secrets."""

import logging
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, SecretStr, model_validator

from taskyard.tasks import Context, Permanent, Sensitive, task

SEEN = []


class Login(BaseModel):
    user: str
    password: SecretStr


class Vault(BaseModel):
    token: SecretStr
    pin: Annotated[int, Sensitive()] = 0
    logins: list[Login] | dict[str, Login] = []
    headers: dict[str, Annotated[str, Sensitive()]] = {}
    key: SecretStr | None = Field(None, validation_alias=AliasChoices("apiKey", "key"))
    filler: str = ""
    fails: bool = False
    limit: int = 0

    @model_validator(mode="after")
    def quoting(self) -> Any:
        if self.limit < 0:
            raise ValueError(f"limit of {self.token.get_secret_value()} is below zero")
        if self.limit > 9:
            raise KeyError(self.token.get_secret_value())
        return self


@task("VAULT", "vault")
def vault(ctx: Context, payload: Vault) -> dict[str, Any]:
    token = payload.token.get_secret_value()
    SEEN.append((payload, ctx.inputs))
    ctx.log(f"opening with {token}", token=token)
    ctx.progress(0.5, f"with {token}")
    try:
        raise ValueError(f"refused {token}")
    except ValueError:
        logging.getLogger("some.library").warning("token %s", token, exc_info=True)
    if payload.fails:
        raise Permanent(f"refused {token} and {payload.pin}")
    return {"opened": True}
'''
SECRETS = ["tok-4711-secret", "hunter-number-2", "Bearer abc.def.ghi", "key-in-an-alias"]
PAYLOAD: dict[str, Any] = {
    "token": SECRETS[0],
    "pin": 83_719_205,
    "logins": [{"user": "ada", "password": SECRETS[1]}],
    "headers": {"Authorization": SECRETS[2]},
    "apiKey": SECRETS[3],
}
SHOWN = {
    "token": MASK_TEXT,
    "pin": MASK_TEXT,
    "logins": [{"user": "ada", "password": MASK_TEXT}],
    "headers": {"Authorization": MASK_TEXT},
    "apiKey": MASK_TEXT,
}
VAULT = {"type": "vault", "payload": PAYLOAD}
ITEM = VAULT | {"payload": PAYLOAD | {"filler": "x" * 2_000}}
IN_S3 = VAULT | {"payload": PAYLOAD | {"filler": "x" * 300_000}}
FAILS = VAULT | {"payload": PAYLOAD | {"fails": True}, "notify": [{"webhook": "https://hook.test/x"}]}
DAG = {"nodes": {"first": VAULT, "second": VAULT | {"dependsOn": ["first"]}}}
EVERY_HOUR = {"rate": "1 hour", "task": VAULT}


def hidden(text: str) -> bool:
    return not any(secret in text for secret in (*SECRETS, "83719205", "abc.def.ghi"))


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    file = tmp_path / "vault.py"
    file.write_text(FILE)
    with added_task_files(tmp_path, monkeypatch):
        yield file


@pytest.fixture(autouse=True)
def here(aws: Cloud, vault: Path, machine: Machine) -> None:
    """Every test has the type, and the two state machines."""
    definition = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": True}}}
    role = "arn:aws:iam::123456789012:role/machine"
    name = aws.env["RUN_MACHINE_ARN"].rpartition(":")[2]
    aws.client("stepfunctions").create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)


def seen() -> Any:
    return sys.modules["functions.tasks.vault"].SEEN  # type: ignore[attr-defined]


def post(api: Api, path: str, body: Any, **more: Any) -> Any:
    answer = api("POST", path, body, **more)
    assert answer.status < 300, answer.body
    return answer.body


def ended(api: Api, aws: Cloud, body: Any = FAILS) -> Any:
    task = post(api, "/tasks", body)
    aws.work_off()
    return task


def replayed(api: Api, aws: Cloud) -> Any:
    key = {"idempotency-key": "again"}
    post(api, "/tasks", VAULT, headers=key)
    return post(api, "/tasks", VAULT, headers=key)


def patched(api: Api, aws: Cloud) -> Any:
    task = post(api, "/tasks", {"type": "vault", "payload": {"token": "another-token"}, "delaySeconds": 60})
    return api("PATCH", f"/tasks/{task['id']}", {"payload": PAYLOAD}).body


def patched_then_read(api: Api, aws: Cloud) -> Any:
    return api.get(patched(api, aws)["id"])


def of_a_type_that_is_gone(api: Api, aws: Cloud) -> Any:
    task = post(api, "/tasks", VAULT)
    sys.modules.pop("functions.tasks.vault")
    functions.tasks.__path__.pop()
    Path(wiring.TASK_TYPES_FILE).write_text(discover(functions.tasks).to_json())
    wiring.registry.cache_clear()
    assert "VAULT" not in wiring.registry().names()
    return api.get(task["id"])


def node(api: Api, aws: Cloud) -> Any:
    run = post(api, "/workflows", DAG)
    stored = wiring.run_store(WorkerEnvironment(aws.env)).get(TENANT, run["id"])
    assert stored is not None
    workflows.step(aws, "start", stored)
    return api.get(api("GET", f"/workflows/{run['id']}").body["nodes"][0]["id"])


def changed_schedule(api: Api, aws: Cloud) -> Any:
    made = post(api, "/schedules", EVERY_HOUR | {"task": {"type": "DELAYED_MESSAGE", "payload": {"message": "m"}}})
    return api("PATCH", f"/schedules/{made['id']}", {"task": VAULT}).body


def run_now(api: Api, aws: Cloud) -> Any:
    return post(api, f"/schedules/{post(api, '/schedules', EVERY_HOUR)['id']}/run", None)


View = Callable[[Api, Cloud], Any]
PAYLOADS: dict[str, View] = {
    "submitted": lambda api, aws: post(api, "/tasks", VAULT),
    "submitted again": replayed,
    "read, inline": lambda api, aws: api.get(post(api, "/tasks", VAULT)["id"]),
    "read, an item": lambda api, aws: api.get(post(api, "/tasks", ITEM)["id"]),
    "read, in S3": lambda api, aws: api.get(post(api, "/tasks", IN_S3)["id"]),
    "read after it ran": lambda api, aws: api.get(ended(api, aws, VAULT)["id"]),
    "read after it failed": lambda api, aws: api.get(ended(api, aws)["id"]),
    "changed": patched,
    "read after it was changed": patched_then_read,
    "read, type gone": of_a_type_that_is_gone,
    "run again": lambda api, aws: post(api, f"/tasks/{ended(api, aws)['id']}/retry", None),
    "node": node,
    "schedule created": lambda api, aws: post(api, "/schedules", EVERY_HOUR)["task"],
    "schedule read": lambda api, aws: api("GET", f"/schedules/{post(api, '/schedules', EVERY_HOUR)['id']}").body[
        "task"
    ],
    "schedule changed": lambda api, aws: changed_schedule(api, aws)["task"],
    "schedule run": run_now,
    "submitted without HTTP": lambda api, aws: aws.invoke("producer", {"submit": VAULT})["task"],
}
LISTS: dict[str, View] = {
    "tasks": lambda api, aws: (post(api, "/tasks", VAULT), api("GET", "/tasks").body)[1],
    "dead letters": lambda api, aws: (ended(api, aws), api("GET", "/dead-letters").body)[1],
    "schedules": lambda api, aws: (post(api, "/schedules", EVERY_HOUR), api("GET", "/schedules").body)[1],
    "batch": lambda api, aws: post(api, "/tasks/batch", {"tasks": [VAULT, FAILS]}),
    "cancelled": lambda api, aws: post(api, "/tasks/cancel", {"ids": [post(api, "/tasks", VAULT)["id"]]}),
    "redriven": lambda api, aws: (ended(api, aws), post(api, "/dead-letters/redrive", {}))[1],
    "workflow submitted": lambda api, aws: post(api, "/workflows", DAG),
    "workflow read": lambda api, aws: api("GET", f"/workflows/{post(api, '/workflows', DAG)['id']}").body,
    "workflow drawn": lambda api, aws: api("GET", f"/workflows/{post(api, '/workflows', DAG)['id']}/graph").body,
    "workflows": lambda api, aws: (post(api, "/workflows", DAG), api("GET", "/workflows").body)[1],
    "statistics": lambda api, aws: (post(api, "/tasks", VAULT), api("GET", "/monitor/stats").body)[1],
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload_in_every_view_has_its_sensitive_fields_masked(api: Api, aws: Cloud, name: str) -> None:
    view = PAYLOADS[name](api, aws)
    assert hidden(json.dumps(view))
    assert {field: view["payload"][field] for field in SHOWN} == SHOWN


@pytest.mark.parametrize("name", LISTS)
def test_every_other_view_holds_no_sensitive_field(api: Api, aws: Cloud, name: str) -> None:
    view = LISTS[name](api, aws)
    assert view
    assert hidden(view if isinstance(view, str) else json.dumps(view))


def test_lists_show_payloads_masked(api: Api, aws: Cloud) -> None:
    [task] = LISTS["tasks"](api, aws)["tasks"]
    [letter] = LISTS["dead letters"](api, aws)["tasks"]
    [schedule] = LISTS["schedules"](api, aws)["schedules"]
    assert task["payload"] == schedule["task"]["payload"] == SHOWN
    assert letter["payload"] == SHOWN | {"fails": True}


@pytest.mark.parametrize("body", [VAULT, ITEM, IN_S3], ids=["inline", "item", "S3"])
def test_handler_gets_the_payload_whole(api: Api, aws: Cloud, body: Any) -> None:
    ended(api, aws, body)
    [(payload, _)] = seen()
    assert payload.token.get_secret_value() == SECRETS[0]
    assert payload.logins[0].password.get_secret_value() == SECRETS[1]
    assert (payload.headers, payload.key.get_secret_value()) == ({"Authorization": SECRETS[2]}, SECRETS[3])
    assert payload.pin == PAYLOAD["pin"]


def test_errors_logs_and_progress_of_attempts_hold_no_secret(
    api: Api, aws: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task = api.get(ended(api, aws)["id"])
    [attempt] = task["attempts"]
    assert attempt["error"] == f"refused {MASK_TEXT} and {MASK_TEXT}"
    assert attempt["log"] == [f"opening with {MASK_TEXT} {{'token': '{MASK_TEXT}'}}"]
    assert task["progress"]["note"] == f"with {MASK_TEXT}"
    assert f"token {MASK_TEXT}" in caplog.text
    assert f"ValueError: refused {MASK_TEXT}" in caplog.text
    assert hidden(caplog.text)
    assert all(hidden(str(vars(record))) for record in caplog.records if record.name.startswith("taskyard"))


def test_notifications_hold_no_secret(api: Api, aws: Cloud, machine: Machine) -> None:
    task = ended(api, aws)
    [note] = [note for name, note in machine.started().items() if name.startswith(task["id"])]
    assert f"refused {MASK_TEXT}" in json.dumps(note)
    assert hidden(json.dumps(note))


@pytest.mark.parametrize(
    ("payload", "errors"),
    [
        ({"limit": -1}, {"payload": f"limit of {MASK_TEXT} is below zero"}),
        (
            {"pin": "not-a-number"},
            {"payload.pin": "Input should be a valid integer, unable to parse string as an integer"},
        ),
        ({"token": 5_551_234}, {"payload.token": "Input should be a valid string"}),
    ],
)
def test_refusals_quote_no_sensitive_value(api: Api, payload: Any, errors: Any) -> None:
    answer = api("POST", "/tasks", {"type": "vault", "payload": PAYLOAD | payload})
    assert answer.status == 422
    assert hidden(json.dumps(answer.body))
    assert answer.fields == errors


def test_validator_that_breaks_logs_no_sensitive_value(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert api("POST", "/tasks", {"type": "vault", "payload": PAYLOAD | {"limit": 10}}).status == 500
    assert f"KeyError: '{MASK_TEXT}'" in caplog.text
    assert hidden(caplog.text)


@pytest.mark.parametrize("path", ["submit", "change", "node", "schedule", "batch"])
def test_mask_that_comes_back_is_refused_by_field(api: Api, path: str) -> None:
    body = {"type": "vault", "payload": SHOWN}
    task = post(api, "/tasks", VAULT | {"delaySeconds": 60})
    under = {"node": 'nodes["a"].', "schedule": "task."}.get(path, "")
    answer = {
        "submit": lambda: api("POST", "/tasks", body),
        "change": lambda: api("PATCH", f"/tasks/{task['id']}", {"payload": SHOWN}),
        "node": lambda: api("POST", "/workflows", {"nodes": {"a": body}}),
        "schedule": lambda: api("POST", "/schedules", {"rate": "1 hour", "task": body}),
        "batch": lambda: api("POST", "/tasks/batch", {"tasks": [body]}),
    }[path]()
    problem = answer.body["results"][0]["problem"] if path == "batch" else answer.body
    assert problem["status"] == 422
    fields = ("token", "pin", "logins[0].password", "headers.Authorization", "apiKey")
    message = "holds the mask of a value, not the value itself"
    expected = {f"{under}payload.{field}".replace('nodes["a"]', "nodes.a"): message for field in fields}
    assert {error["field"]: error["message"] for error in problem["errors"]} == expected


def test_change_of_the_payload_forgets_the_mask_of_the_one_before(api: Api) -> None:
    task = post(api, "/tasks", VAULT | {"delaySeconds": 60})
    plain = {"token": None, "filler": "f"}
    changed = api("PATCH", f"/tasks/{task['id']}", {"payload": {"token": "token-new", "filler": "f"}}).body
    assert changed["payload"] == {"token": MASK_TEXT, "filler": "f"}
    assert api("PATCH", f"/tasks/{task['id']}", {"payload": plain}).status == 422


def test_change_of_something_else_leaves_the_payload_masked(api: Api) -> None:
    task = post(api, "/tasks", VAULT | {"delaySeconds": 60})
    assert api("PATCH", f"/tasks/{task['id']}", {"priority": 1}).body["payload"] == SHOWN
    made = post(api, "/schedules", EVERY_HOUR)
    assert api("PATCH", f"/schedules/{made['id']}", {"name": "n"}).body["task"]["payload"] == SHOWN


def test_schedule_whose_new_template_has_no_secrets_shows_it(api: Api) -> None:
    made = post(api, "/schedules", EVERY_HOUR)
    template = {"type": "DELAYED_MESSAGE", "payload": {"message": "m"}}
    assert api("PATCH", f"/schedules/{made['id']}", {"task": template}).body["task"] == template


def test_headers_of_a_webhook_call_are_masked(api: Api) -> None:
    payload = {"url": "https://example.com", "headers": {"Authorization": "Bearer x", "X-Order": "17"}}
    task = post(api, "/tasks", {"type": "WEBHOOK_CALL", "payload": payload})
    assert task["payload"]["headers"] == {"Authorization": MASK_TEXT, "X-Order": MASK_TEXT}
    assert task["payload"]["url"] == payload["url"]


def test_reading_a_masked_payload_costs_no_call_and_no_import(api: Api, aws: Cloud, clock: Clock) -> None:
    task = post(api, "/tasks", VAULT)
    aws.forget_calls()
    sys.modules.pop("functions.tasks.vault")
    api.get(task["id"])
    assert aws.called() == ["dynamodb.GetItem"]
    assert "functions.tasks.vault" not in sys.modules
