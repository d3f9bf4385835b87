"""/workflows: submit a run, cancel it, retry its nodes that did not succeed. docs/adr/0008.

As with tasks, what makes it run comes before its record: the execution is started, then the record is written. A
submit that dies between the two has answered nothing; its execution waits two minutes for the record, then ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.api.workflows.requests import WORKFLOW_ALIASES, SubmitWorkflow, ValidWorkflow, validate
from functions.aws.executions import Executions
from functions.core.errors import IdempotencyKeyReused, NotAllowedInState, NotFound, StoreUnavailable
from functions.core.idempotency import KeyedChange
from functions.core.pools import Routing
from functions.core.task import id_for_key, time_ordered_id
from functions.core.task_types import Registry
from functions.core.webhooks.addresses import Reach
from functions.core.workflows import definition
from functions.core.workflows.run import Run, RunState
from functions.intake.idempotency_key import key_of_request, validated_header_key
from functions.intake.task_requests import Limits, parse
from functions.runtime.notifications import NotificationStarter
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
class Workflows:
    """`timeout_limit`: seconds, the most that one attempt of a node may run here. `webhook_reach`: where `notify` may
    lead. `admission`: the quotas of tenants; None: there are none."""

    runs: RunStore
    documents: Documents
    executions: Executions
    machine_arn: str
    registry: Callable[[], Registry]
    timeout_limit: int
    routing: Routing
    notifications: NotificationStarter
    webhook_reach: Reach = "public"
    admission: Admission | None = None

    def submit(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int
    ) -> SubmittedRun:
        """`header`: Idempotency-Key as it came. `now`: epoch ms; `random`: 80 bits."""
        require_payload_size(body)
        given = Limits(now, self.timeout_limit)
        parsed = parse(SubmitWorkflow, body, WORKFLOW_ALIASES, given)
        key, key_errors = key_of_request(header, parsed)
        valid = validate(parsed, key_errors, self.registry(), given, self.webhook_reach)
        if self.admission is not None:
            self.admission.require_workflow_nodes(tenant, len(valid.specs))
            self.admission.require_payloads(tenant, (spec.payload for spec in valid.specs))
            self.admission.admit(tenant, len(valid.specs), now=now)
        run_id = time_ordered_id(now, random) if key is None else id_for_key(tenant, f"workflow\0{key}")
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
        self._start_execution(run, round_=1, now=now)
        if earlier := self.runs.create(run):
            # Under a key: another request of it was faster. Without: our own write, whose answer was lost.
            return earlier_run_result(earlier, valid, key) if key is not None else SubmittedRun(earlier, True, {})
        lanes: dict[str, int] = {}
        for spec in valid.specs:
            lane = self.routing.lane_of(spec.type, spec.priority)
            lanes[lane] = lanes.get(lane, 0) + 1
        return SubmittedRun(run, True, lanes)

    def find(self, tenant: str, run_id: str) -> Run:
        run = self.runs.get(tenant, run_id)
        if run is None:
            raise NotFound("workflow", run_id)
        return run

    def cancel(self, tenant: str, run_id: str) -> None:
        """Nodes that have not started will not start. Raises NotAllowedInState when the run has ended otherwise."""
        run = self.find(tenant, run_id)
        cancelled = None if run.ended else self.runs.request_cancel(run)
        if cancelled is None:
            run = self.find(tenant, run_id)
            # After an earlier cancel it may have ended in another state: nodes that ran were not stopped.
            if not run.cancel_requested and run.state is not RunState.CANCELLED:
                raise NotAllowedInState("workflow", run.id, "cancel", run.state)
            return
        if cancelled.token:
            self.executions.send_success(cancelled.token, {"outcome": "cancel"})
        # Without a token yet: the step that stores it finds that the run is cancelled.

    def retry(self, tenant: str, run_id: str, header: str | None, *, now: int) -> Run:
        """The run, in its next round. Raises NotAllowedInState while it runs, and when all of it succeeded. `header`:
        Idempotency-Key as it came; the same request under it again begins no other round."""
        key = validated_header_key(header)
        keyed = None if key is None else KeyedChange(key, {})
        run = self.find(tenant, run_id)
        if keyed and keyed.is_done_in(run.retry_marks, id=run.id, what="workflow"):
            return run
        if not run.ended or run.state is RunState.SUCCESS:
            raise NotAllowedInState("workflow", run.id, "retry", run.state)
        # The step that wrote this end may have died before it started the notification; repeated, it finds a new round.
        self.notifications.start_for_run(run)
        self._start_execution(run, round_=run.round + 1, now=now)
        again = self.runs.start_next_round(run, mark=keyed.mark if keyed else None)
        if again is not None:
            return again
        # Another request was faster. It started the same execution.
        faster = self.find(tenant, run_id)
        if keyed and keyed.is_done_in(faster.retry_marks, id=run.id, what="workflow"):
            return faster
        raise NotAllowedInState("workflow", run.id, "retry", faster.state)

    def _start_execution(self, run: Run, *, round_: int, now: int) -> None:
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
