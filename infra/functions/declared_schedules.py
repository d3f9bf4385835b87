"""Schedules that an app declares: a custom resource each, and the one function that stands behind all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from ..build.schedules import InvalidScheduleError
from .function import Function
from .shared_resources import SharedResources

RESOURCE_TYPE = "Custom::TaskyardSchedule"
TIMEOUT_SECONDS = 60
# CloudFormation gives up an answer after this time: Lambda repeats an invocation that died after one and two minutes.
SERVICE_TIMEOUT = cdk.Duration.minutes(10)
# AWS: an asynchronous invocation takes 256 KB; the definition before a change is in the event too.
DEFINITION_LIMIT_BYTES = 100 * 1024


class DeclaredSchedules(Construct):
    """The function exists where a schedule is declared: who declares none pays and deploys nothing.

    It has a role of its own, which may delete records of schedules, and nobody but CloudFormation and administrators
    may invoke it: an event names the tenant (docs/adr/0035).
    """

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        self._shared = shared
        self._function: Function | None = None
        self.definitions: dict[str, dict[str, Any]] = {}

    def add(self, name: str, definition: Mapping[str, Any], *, tenant: str | None = None) -> cdk.CustomResource:
        """`definition`: a body of POST /schedules, JSON-able. `tenant`: whose schedule it is; None: the tenant of the
        account. Raises InvalidScheduleError."""
        if name in self.definitions:
            raise InvalidScheduleError(f"schedule {name!r} is declared twice: give one of them another name")
        try:
            text = json.dumps(definition, sort_keys=True, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidScheduleError(f"schedule {name!r} is not JSON: {error}") from error
        if len(text.encode()) > DEFINITION_LIMIT_BYTES:
            raise InvalidScheduleError(
                f"schedule {name!r} has {len(text.encode())} bytes, more than the {DEFINITION_LIMIT_BYTES} that "
                "CloudFormation hands over: create it over the API"
            )
        self.definitions[name] = dict(definition)
        return cdk.CustomResource(
            self,
            name,
            resource_type=RESOURCE_TYPE,
            service_token=self._provider().arn,
            service_timeout=SERVICE_TIMEOUT,
            properties={
                "Name": name,
                "Tenant": tenant or cdk.Stack.of(self).account,
                # As text: CloudFormation turns numbers and booleans of properties into strings.
                "Definition": text,
            },
        )

    def _provider(self) -> Function:
        if self._function is None:
            shared = self._shared
            storage = shared.storage
            self._function = Function(
                self,
                "Provider",
                package=shared.package,
                service="schedule-provider",
                timeout_seconds=TIMEOUT_SECONDS,
                memory=512,
                environment=shared.intake_environment(),
                statements=[
                    storage.allow_records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem"),
                    storage.allow_documents("GetObject", "PutObject"),
                    # A schedule that is resumed may catch up at once.
                    shared.lanes.allow_send(),
                    shared.machines.allow_start_runs(),
                    *shared.timers.allow("CreateSchedule"),
                    *shared.schedules.allow("CreateSchedule", "UpdateSchedule", "DeleteSchedule"),
                    # A quota of schedules counts those that there are.
                    *([storage.allow_index_queries()] if shared.config.quotas else []),
                ],
            )
        return self._function
