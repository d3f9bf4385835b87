"""What a cold start may import: each module costs every new worker its time. Counted here; `make bench-init` times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LANES = {
    "url": "https://sqs.test/",
    "arn": "arn:",
    "queues": {"high": ["h", "hd"], "normal": ["n", "nd"], "low": ["l", "ld"]},
}
ENVIRONMENT = {
    "ENVIRONMENT": "test",
    "TABLE_NAME": "tasks",
    "DOCUMENT_BUCKET": "documents",
    "LANES": json.dumps(LANES),
    "LANE": "normal",
    "TIMER_GROUP": "timers",
    "TIMER_ROLE_ARN": "arn:role",
    "RUN_MACHINE_ARN": "arn:machine",
    "NOTIFY_MACHINE_ARN": "arn:machine",
    "WEBHOOK_REACH": "public",
    "SCHEDULE_GROUP": "schedules",
    "SCHEDULE_ROLE_ARN": "arn:role",
    "FIRING_ARN": "arn:aws:lambda:us-east-1:1:function:firing",
    "WEBHOOK_SECRETS": "taskyard/test/webhooks",
    "HANDLER_SECRETS": "taskyard/test/secrets",
    "RETENTION_DAYS": "7",
    "AUDIT_RETENTION_DAYS": "30",
    "WORKER_TIMEOUT_SECONDS": "60",
    "LISTING_SHARDS": "2",
    "AUTH": '{"iam": {}, "jwt": {"tenantClaim": "org"}}',
    "MAIL_FROM": "a@example.com",
    "MAIL_SENDERS": "a@example.com",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "-",
    "AWS_SECRET_ACCESS_KEY": "-",
}
PROGRAM = """
import importlib, json, sys
import botocore.session
made, create = [], botocore.session.Session.create_client
def note(session, service, *args, **kwargs):
    made.append(service)
    return create(session, service, *args, **kwargs)
botocore.session.Session.create_client = note
botocore.session.Session().create_client("dynamodb")
before = set(sys.modules)
made.clear()
importlib.import_module(sys.argv[1]).services()
print(json.dumps({"modules": sorted(set(sys.modules) - before), "clients": made}))
"""
FIRST_USE = """
import importlib, json, sys
from pathlib import Path
import functions.build.task_types, functions.tasks
document = functions.build.task_types.discover(functions.tasks).to_json()
for name in [name for name in sys.modules if name.startswith(("functions", "taskyard", "pydantic"))]:
    del sys.modules[name]
from functions.runtime import wiring
file = Path(sys.argv[1])
file.write_text(document)
wiring.TASK_TYPES_FILE = str(file)
registry = wiring.registry()
listed = [each.name for each in registry.types.values()]
before = sorted(set(sys.modules))
registry.find("email").accept({"to": "a@example.com", "subject": "s"})
print(json.dumps({"listed": listed, "before": before, "after": sorted(sys.modules)}))
"""
PARTS = ("api", "worker", "dead_letter", "observer", "workflow", "notifier", "producer")
OF_OTHERS = ("boto3", "s3transfer", "pydantic", "pydantic_core", "aws_xray_sdk", "fastapi", "mangum")


@cache
def started(part: str) -> dict[str, Any]:
    """`modules`: what the function imports to be ready, beyond a bare client of botocore. `clients`: those it makes."""
    command = [sys.executable, "-c", PROGRAM, f"functions.{part}.handler"]
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "PATH": os.environ["PATH"]}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def of_package(part: str, *packages: str) -> list[str]:
    return [name for name in started(part)["modules"] if any(f"{name}.".startswith(f"{it}.") for it in packages)]


@pytest.mark.parametrize("part", PARTS)
def test_nothing_heavy_is_imported_before_it_is_needed(part: str) -> None:
    assert of_package(part, *OF_OTHERS) == []


@pytest.mark.parametrize("part", PARTS)
def test_no_handler_of_a_task_type_is_imported_before_the_first_task(part: str) -> None:
    assert of_package(part, "functions.tasks") == []


@pytest.mark.parametrize("part", [part for part in PARTS if part != "api"])
def test_only_the_api_pays_for_powertools_and_an_event_loop(part: str) -> None:
    assert of_package(part, "aws_lambda_powertools", "asyncio") == []


@pytest.mark.parametrize("part", PARTS)
def test_a_function_imports_no_other_entry_point(part: str) -> None:
    others = [f"functions.{other}" for other in PARTS if other != part]
    assert of_package(part, *others) == []


def test_the_api_reads_no_request_models_and_no_openapi_before_a_request_needs_them() -> None:
    lazy = (
        "functions.api.openapi",
        "functions.api.documentation.page",
        "functions.intake.task_requests",
        "functions.intake.task_schemas",
        "functions.api.schemas",
        "functions.intake.submission",
    )
    assert of_package("api", *lazy, "functions.api.tasks.changes", "functions.api.validation") == []
    assert of_package("api", "aws_lambda_powertools.event_handler.openapi.models") == []


@pytest.mark.parametrize("part", PARTS)
def test_only_functions_that_take_requests_import_rules_of_identities(part: str) -> None:
    assert bool(of_package(part, "functions.core.identity")) == (part in ("api", "producer"))
    of_one_kind = ("functions.core.identity.claims", "functions.core.identity.iam")
    assert of_package(part, *of_one_kind) == [], "the first request imports what its kind of identity needs"


@pytest.mark.parametrize("part", PARTS)
def test_function_imports_of_the_client_only_the_handler_api(part: str) -> None:
    outside = [name for name in of_package(part, "taskyard") if not f"{name}.".startswith("taskyard.tasks.")]
    assert outside in ([], ["taskyard"])


@pytest.mark.parametrize("part", ["dead_letter", "observer", "workflow", "notifier", "producer"])
def test_who_runs_no_handler_has_no_registry(part: str) -> None:
    assert of_package(part, "functions.core.task_types", "functions.core.field_errors") == []


@pytest.mark.parametrize(
    ("part", "clients"),
    [
        ("api", []),
        ("worker", ["dynamodb", "sqs"]),
        ("dead_letter", ["dynamodb", "sqs"]),
        ("observer", ["dynamodb"]),
        ("workflow", ["dynamodb", "sqs"]),
        ("notifier", ["dynamodb"]),
        ("producer", []),
    ],
)
def test_clients_that_are_seldom_needed_are_not_made_at_the_start(part: str, clients: list[str]) -> None:
    assert sorted(started(part)["clients"]) == clients


@pytest.mark.parametrize(
    ("part", "others"),
    [("worker", 4), ("dead_letter", 3), ("observer", 2), ("workflow", 3), ("producer", 3), ("api", 170)],
)
def test_beside_its_own_a_function_imports_little_that_a_client_does_not(part: str, others: int) -> None:
    """The api's are Powertools' resolver, and the event sources, logger and metrics that come with it."""
    foreign = [name for name in started(part)["modules"] if name.partition(".")[0] not in ("functions", "taskyard")]
    assert len(foreign) <= others, foreign


def test_registry_imports_the_handler_of_the_type_that_is_used_and_no_other(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", FIRST_USE, str(tmp_path / "task-types.json")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert "WEBHOOK_CALL" in found["listed"]
    # Not even the package of the handlers, nor pydantic, to know all types by name.
    assert [name for name in found["before"] if name.startswith(("functions.tasks", "pydantic"))] == []
    handlers = [name for name in found["after"] if name.startswith("functions.tasks.")]
    assert handlers == ["functions.tasks.send_email"]
