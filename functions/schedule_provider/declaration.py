"""What CloudFormation asks for a declared schedule: its event, the use case, the answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import ChangedMeanwhile, StoreUnavailable, TaskyardError
from functions.core.task import id_for_key
from functions.intake.schedules import Schedules

logger = logging.getLogger("taskyard.schedule_provider")

REASON_LIMIT = 1000
"""Characters. AWS: an answer has at most 4,096 bytes."""
PAUSE_SECONDS = 2.0
TIME_TO_ANSWER_SECONDS = 20.0
"""Left of the invocation when the last try begins: for the try, and for the answer after it."""


@dataclass(frozen=True, kw_only=True)
class DeclarationEvent:
    """An event of a custom resource `Custom::TaskyardSchedule`. `definition`: the body of POST /schedules; `before`: of
    the deployment before, empty for the first one."""

    kind: str
    tenant: str
    schedule_id: str
    declared_as: str
    definition: Mapping[str, Any]
    before: Mapping[str, Any]

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> DeclarationEvent:
        """Raises KeyError, TypeError, ValueError for anything else.

        The id follows from stack, logical id and tenant, so a repeated event names the same schedule, and a rollback
        the one before. A schedule under another logical id is another one: CloudFormation makes it before it deletes
        the former.
        """
        properties = event["ResourceProperties"]
        old = event.get("OldResourceProperties") or {}
        tenant, stack, logical_id = str(properties["Tenant"]), str(event["StackId"]), str(event["LogicalResourceId"])
        before = old["Definition"] if old.get("Tenant") == tenant and "Definition" in old else "{}"
        return cls(
            kind=str(event["RequestType"]),
            tenant=tenant,
            schedule_id=id_for_key(tenant, f"schedule\0{stack}\0{logical_id}"),
            declared_as=f"{stack.split('/')[1]}/{properties['Name']}",
            definition=json.loads(properties["Definition"]),
            before=json.loads(before),
        )

    @property
    def physical_id(self) -> str:
        """Another one than before makes CloudFormation delete the one before, at the end of the deployment."""
        return f"{self.tenant}/{self.schedule_id}"


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """`sleep`: seconds."""

    schedules: Schedules
    sleep: Callable[[float], None]

    def answer(self, event: Mapping[str, Any], *, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """The answer to CloudFormation: SUCCESS, or FAILED with the reason. Raises nothing: without an answer
        CloudFormation would wait for an hour."""
        answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        physical_id = str(event.get("PhysicalResourceId") or event["LogicalResourceId"])
        try:
            declaration = DeclarationEvent.parse(event)
            physical_id = declaration.physical_id if declaration.kind != "Delete" else physical_id
            self._apply_patiently(declaration, physical_id, remaining_seconds)
        except TaskyardError as error:
            return answer | failure(str(error), physical_id)
        except Exception as error:
            logger.exception("internal error")
            return answer | failure(f"{type(error).__name__}: {error}", physical_id)
        data = {"ScheduleId": physical_id.rpartition("/")[2]}
        return answer | {"Status": "SUCCESS", "PhysicalResourceId": physical_id, "Data": data}

    def _apply_patiently(
        self, declaration: DeclarationEvent, physical_id: str, remaining_seconds: Callable[[], float]
    ) -> None:
        while True:
            try:
                return self._apply(declaration, physical_id)
            except (StoreUnavailable, ChangedMeanwhile):
                if remaining_seconds() < TIME_TO_ANSWER_SECONDS + PAUSE_SECONDS:
                    raise
                self.sleep(PAUSE_SECONDS)

    def _apply(self, declaration: DeclarationEvent, physical_id: str) -> None:
        if declaration.kind == "Delete":
            tenant, _, schedule_id = physical_id.rpartition("/")
            # A create that was never answered has an id that CloudFormation made up, without a tenant.
            self.schedules.withdraw(tenant or declaration.tenant, schedule_id if tenant else declaration.schedule_id)
            return
        self.schedules.declare(
            declaration.tenant,
            declaration.schedule_id,
            declaration.definition,
            declared_as=declaration.declared_as,
            before=declaration.before,
        )


def failure(reason: str, physical_id: str) -> dict[str, Any]:
    return {"Status": "FAILED", "Reason": reason[:REASON_LIMIT], "PhysicalResourceId": physical_id}
