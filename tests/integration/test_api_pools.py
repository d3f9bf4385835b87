"""Submits to a pool of its own packages, whose handlers the api cannot import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from taskyard.tasks import task

import functions.tasks
from functions.build.task_types import discover
from functions.core.pools import Pool
from functions.core.task_types import RegisteredType, Registry
from functions.runtime import wiring
from tests.integration.api import Api
from tests.integration.cloud import LANES, Cloud, create_lane, lanes_variable

IMAGES = Pool("images", ("images",), 600, False)
_registry = wiring.registry


class Image(BaseModel):
    width: int
    token: SecretStr | None = None


@task("RESIZE")
def resize(ctx: Any, payload: Image) -> None: ...


@pytest.fixture(autouse=True)
def pools(aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    create_lane(aws, "images")
    aws.env["LANES"] = lanes_variable((*LANES, "images"))
    monkeypatch.setenv("LANES", aws.env["LANES"])
    file = tmp_path / "task-types.json"
    images = RegisteredType.of(resize.__task_type__, module="only.in.its.worker", attribute="resize", pool=IMAGES)  # type: ignore[attr-defined]
    built_in = {id(each): each for each in discover(functions.tasks).types.values()}
    file.write_text(Registry.of([*built_in.values(), images]).to_json())
    monkeypatch.setattr(wiring, "TASK_TYPES_FILE", str(file))
    _registry.cache_clear()
    yield
    _registry.cache_clear()


def test_task_of_pool_is_in_its_lane(api: Api, aws: Cloud) -> None:
    view = api.submit(type="RESIZE", payload={"width": 640}, priority=9)
    assert view["lane"] == "images"
    assert [sent["lane"] for sent in aws.wakeups()] == ["images"]
    assert api("GET", f"/tasks/{view['id']}").body["lane"] == "images"


def test_payload_of_pool_is_checked_and_masked(api: Api) -> None:
    refused = api("POST", "/tasks", {"type": "RESIZE", "payload": {"width": "wide"}})
    assert refused.status == 422
    assert refused.body["errors"] == [{"field": "payload.width", "message": "must be integer"}]
    view = api.submit(type="RESIZE", payload={"width": 1, "token": "S3CRET-VALUE"})
    assert view["payload"] == {"width": 1, "token": "**********"}


@pytest.mark.parametrize(
    ("type_", "seconds", "status"),
    [("RESIZE", 590, 201), ("RESIZE", 591, 422), ("FAIL_SOMETIMES", 50, 201), ("FAIL_SOMETIMES", 51, 422)],
)
def test_time_out_is_limited_by_the_pool(api: Api, type_: str, seconds: int, status: int) -> None:
    payload = {"width": 1} if type_ == "RESIZE" else {"probability": 0}
    body = {"type": type_, "payload": payload, "timeoutSeconds": seconds}
    assert api("POST", "/tasks", body).status == status


@pytest.mark.parametrize(("seconds", "fields"), [(590, {"nodes[1]"}), (591, {"nodes[1]", "nodes[0].timeoutSeconds"})])
def test_time_out_of_node_is_limited_by_the_pool(api: Api, seconds: int, fields: set[str]) -> None:
    """A second node, which is wrong, keeps the run from being started."""
    node = {"name": "one", "type": "RESIZE", "payload": {"width": 1}, "timeoutSeconds": seconds}
    answer = api("POST", "/workflows", {"nodes": [node, 5]})
    assert set(answer.fields) == fields


def test_change_of_priority_does_not_move_a_task_of_one_lane(api: Api, aws: Cloud) -> None:
    view = api.submit(type="RESIZE", payload={"width": 1}, delaySeconds=60)
    aws.forget_calls()
    assert api("PATCH", f"/tasks/{view['id']}", {"priority": 9}).body["priority"] == 9
    assert aws.wakeups() == []


def test_stats_show_the_lane_of_each_pool(api: Api) -> None:
    assert set(api("GET", "/monitor/stats").body["lanes"]) == {*LANES, "images"}


def test_openapi_names_type_of_pool(api: Api) -> None:
    assert "RESIZE" in json.dumps(api("GET", "/openapi.json").body)
