"""/workflows: look a run up, cancel it, retry its nodes that did not succeed. docs/adr/0008."""

from __future__ import annotations

from dataclasses import dataclass

from functions.core.errors import NotAllowedInState, NotFound
from functions.core.idempotency import KeyedChange
from functions.core.workflows.run import Run, RunState
from functions.intake.idempotency_key import validated_header_key
from functions.intake.workflow_submission import WorkflowSubmission
from functions.runtime.notifications import NotificationStarter
from functions.store.runs import RunStore


@dataclass(frozen=True, kw_only=True)
class Workflows:
    runs: RunStore
    submission: WorkflowSubmission
    notifications: NotificationStarter

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
            self.submission.executions.send_success(cancelled.token, {"outcome": "cancel"})
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
        self.submission.start_round(run, round_=run.round + 1, now=now)
        again = self.runs.start_next_round(run, mark=keyed.mark if keyed else None)
        if again is not None:
            return again
        # Another request was faster. It started the same execution.
        faster = self.find(tenant, run_id)
        if keyed and keyed.is_done_in(faster.retry_marks, id=run.id, what="workflow"):
            return faster
        raise NotAllowedInState("workflow", run.id, "retry", faster.state)
