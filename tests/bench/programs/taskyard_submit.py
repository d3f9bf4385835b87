"""Submits to Taskyard: `function` calls the api function's handler in this process with API Gateway's event, as the
peers' producers call their library; `http` sends requests to the local system's API, through all that lies between.
More than one at a time, or a second argument above 1: by POST /tasks/batch."""

import copy
import http.client
import json
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import producer

EVENT = json.loads((Path(__file__).parents[3] / "events" / "api" / "submit_task.json").read_text())


def task(fields: dict, delay: float) -> dict:
    retries = {"maxRetries": fields.pop("retries")} if "retries" in fields else {}
    return {"type": "BENCH_WORK", "payload": fields, **retries, **({"delaySeconds": delay} if delay else {})}


def by_function(path: str, body: dict) -> tuple[int, str]:
    from functions.api.handler import handler

    event = copy.copy(EVENT)
    event["headers"] = {k: v for k, v in EVENT["headers"].items() if k != "idempotency-key"}
    event["requestContext"] = EVENT["requestContext"] | {"http": EVENT["requestContext"]["http"] | {"path": path}}
    event |= {"rawPath": path, "routeKey": f"POST {path}", "body": json.dumps(body)}
    context = SimpleNamespace(
        aws_request_id=str(uuid.uuid4()), function_name="api", get_remaining_time_in_millis=lambda: 29_000
    )
    answer = handler(event, context)
    return answer["statusCode"], answer["body"]


class ByHttp:
    def __init__(self) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(os.environ["TASKYARD_URL"]).netloc)

    def __call__(self, path: str, body: dict | None = None, method: str = "POST") -> tuple[int, str]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {os.environ['TASKYARD_TOKEN']}"}
        self.connection.request(method, path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()


def main(way: str, group: int) -> None:
    send = ByHttp() if way == "http" else by_function
    known: dict[str, str] = {}

    def accepted(status: int, answer: str) -> dict:
        if status >= 300:
            raise producer.Refused(f"{status}: {answer[:500]}")
        return json.loads(answer or "{}")

    def submit(tasks: list[dict], delay: float) -> None:
        if group == 1 == len(tasks):
            known[tasks[0]["task"]] = accepted(*send("/tasks", task(tasks[0], delay)))["id"]
        elif accepted(*send("/tasks/batch", {"tasks": [task(fields, delay) for fields in tasks]}))["refused"]:
            raise producer.Refused("some tasks of a batch")

    def cancel(tasks: list[str]) -> None:
        for name in tasks:
            accepted(*send(f"/tasks/{known[name]}", method="DELETE"))

    def join(tasks: list[dict], last: dict) -> None:
        nodes = {fields["task"]: task(fields, 0) for fields in tasks}
        accepted(*send("/workflows", {"nodes": {**nodes, last["task"]: task(last, 0) | {"dependsOn": list(nodes)}}}))

    if way == "function":
        # EMF goes to a Lambda's standard output; here that is the way to the bench.
        out = os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, metrics = out, open(os.devnull, "w")  # noqa: SIM115
        from functions.runtime import metrics as module

        module.sys = SimpleNamespace(stdout=metrics)
    producer.serve(submit, group=group, cancel=cancel, join=join)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
