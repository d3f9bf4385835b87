"""Accepts a workflow: checks the request, starts the execution of its run, then writes the record (docs/adr/0008).

As with tasks, what makes it run comes before its record. A submit that dies between the two has answered nothing; its
execution waits two minutes for the record, then ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws.executions import Executions
from functions.core.errors import FieldError, IdempotencyKeyReused, StoreUnavailable
from functions.core.pools import Routing
from functions.core.task import time_ordered_id
from functions.core.task_types import Registry
from functions.core.webhooks.addresses import Reach
from functions.core.workflows import definition
from functions.core.workflows.run import Run, RunState, run_id_for_key
from functions.intake.idempotency_key import key_of_request
from functions.intake.task_requests import Limits, ParsedRequest, parse
from functions.intake.workflow_requests import WORKFLOW_ALIASES, SubmitWorkflow, ValidWorkflow, validate
from functions.store.documents import Documents, require_payload_size
from functions.store.runs import RunStore

if TYPE_CHECKING:
    from functions.intake.admission import Admission

EXECUTION_NAMES_LIMIT = 10
"""Executions that one round may need: each but the last ended because the request that started it died."""
USABLE_AGE_MS = 60_000
"""An execution waits two minutes for its record, which is written within half a minute of the check of this age."""


@dataclass(frozen=True)
class SubmittedRun:
    """`created`: False when the same request was answered before."""

    run: Run
    created: bool
    lanes: Mapping[str, int]
    """Nodes per lane, of a run that was created."""


@dataclass(frozen=True, kw_only=True)
class WorkflowSubmission:
    """`timeout_limit`: seconds, the most that one attempt of a node may run here. `webhook_reach`: where `notify` may
    lead. `admission`: the quotas of tenants; None: there are none."""

    runs: RunStore
    documents: Documents
    executions: Executions
    machine_arn: str
    registry: Callable[[], Registry]
    timeout_limit: int
    routing: Routing
    webhook_reach: Reach = "public"
    admission: Admission | None = None

    def validate(
        self, parsed: ParsedRequest[SubmitWorkflow], *, tenant: str, now: int, key_errors: Sequence[FieldError] = ()
    ) -> ValidWorkflow:
        """Writes nothing. `parsed`: of `now`. Raises InvalidRequest with every error, BeyondQuota."""
        given = Limits(now, self.timeout_limit)
        valid = validate(parsed, list(key_errors), self.registry(), given, self.webhook_reach)
        if self.admission is not None:
            self.admission.require_workflow_nodes(tenant, len(valid.specs))
            self.admission.require_payloads(tenant, (spec.payload for spec in valid.specs))
        return valid

    def parse(self, body: Mapping[str, Any], *, now: int) -> ParsedRequest[SubmitWorkflow]:
        """Raises PayloadTooLarge."""
        require_payload_size(body)
        return parse(SubmitWorkflow, body, WORKFLOW_ALIASES, Limits(now, self.timeout_limit))

    def submit(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int, key: str | None = None
    ) -> SubmittedRun:
        """`header`: Idempotency-Key as it came. `key`: an idempotency key of Taskyard's own, instead of the caller's.
        `now`: epoch ms. `random`: 80 bits. Raises as `validate` does, and QuotaExceeded."""
        parsed = self.parse(body, now=now)
        key, key_errors = key_of_request(header, parsed) if key is None else (key, [])
        valid = self.validate(parsed, tenant=tenant, now=now, key_errors=key_errors)
        if self.admission is not None:
            self.admission.admit(tenant, len(valid.specs), now=now)
        run_id = time_ordered_id(now, random) if key is None else run_id_for_key(tenant, key)
        if key is not None and (earlier := self.runs.get(tenant, run_id)):
            return earlier_run_result(earlier, valid, key)
        plan = definition.plan_of_specs(valid.specs)
        run = Run(
            tenant=tenant,
            id=run_id,
            name=valid.name,
            state=RunState.PENDING,
            nodes=plan.nodes,
            edges=plan.edges,
            created_at=now,
            deadline_seconds=valid.deadline_seconds,
            on_failure=valid.on_failure,
            definition=self.documents.store_definition(tenant, run_id, definition.definition_to_json(valid.specs)),
            digest=valid.fingerprint.digest,
            idempotency_key=key,
            notify=valid.notify,
        )
        self.start_round(run, round_=1, now=now)
        if earlier := self.runs.create(run):
            # Under a key: another request of it was faster. Without: our own write, whose answer was lost.
            return earlier_run_result(earlier, valid, key) if key is not None else SubmittedRun(earlier, True, {})
        lanes: dict[str, int] = {}
        for spec in valid.specs:
            lane = self.routing.lane_of(spec.type, spec.priority)
            lanes[lane] = lanes.get(lane, 0) + 1
        return SubmittedRun(run, True, lanes)

    def start_round(self, run: Run, *, round_: int, now: int) -> None:
        """One execution for the round, however many requests start it: its name is its identity. A name whose
        execution has ended without finding the record, or is about to, is used up: the next name is tried."""
        execution_input = {
            "tenant": run.tenant,
            "run": run.id,
            "round": round_,
            "deadlineSeconds": run.deadline_seconds,
        }
        for nth in range(1, EXECUTION_NAMES_LIMIT + 1):
            name = f"{run.id}-{round_}" if nth == 1 else f"{run.id}-{round_}-{nth}"
            started_at = self.executions.start(self.machine_arn, name, execution_input)
            if started_at is not None and now - started_at < USABLE_AGE_MS:
                return
        raise StoreUnavailable("StepFunctions", "every name of this round is used up")


def earlier_run_result(earlier: Run, valid: ValidWorkflow, key: str) -> SubmittedRun:
    if not valid.fingerprint.matches(earlier.digest):
        raise IdempotencyKeyReused("workflow", earlier.id, key)
    return SubmittedRun(earlier, False, {})
