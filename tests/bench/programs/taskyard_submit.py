"""Submits to Taskyard: `function` calls the api function's handler in this process with API Gateway's event, as the
peers' producers call their library; `http` sends requests to the local system's API, through all that lies between.
With a second argument above 1, by POST /tasks/batch, so many at a time."""

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

    def __call__(self, path: str, body: dict) -> tuple[int, str]:
        self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode()


def main(way: str, group: int) -> None:
    send = ByHttp() if way == "http" else by_function

    def submit(tasks: list[dict], delay: float) -> None:
        if group == 1:
            status, answer = send("/tasks", task(tasks[0], delay))
        else:
            status, answer = send("/tasks/batch", {"tasks": [task(fields, delay) for fields in tasks]})
        if status >= 300 or (group > 1 and json.loads(answer)["refused"]):
            raise producer.Refused(f"{status}: {answer[:500]}")

    if way == "function":
        # EMF goes to a Lambda's standard output; here that is the way to the bench.
        out = os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, metrics = out, open(os.devnull, "w")  # noqa: SIM115
        from functions.runtime import metrics as module

        module.sys = SimpleNamespace(stdout=metrics)
    producer.serve(submit, group=group)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
