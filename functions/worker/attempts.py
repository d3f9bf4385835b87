"""Runs one attempt of a claimed task: reads its payload, calls its handler, returns the outcome. It settles nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from taskyard.tasks.context import Context
from taskyard.tasks.http import HttpClient
from taskyard.tasks.mail import Mail
from taskyard.tasks.signature import Secrets

from functions.aws.secrets import HandlerSecrets
from functions.core.failure import failure_of
from functions.core.outcomes import Failed, Outcome
from functions.core.payloads.masking import SecretRedactor
from functions.core.task import Task
from functions.core.task_types import Registry
from functions.runtime.metrics import Metrics
from functions.store.documents import Documents
from functions.store.effects import Effects
from functions.store.tasks import TaskStore
from functions.worker.attempt_recorder import AttemptRecorder
from functions.worker.execution import Execution, Executor
from functions.worker.redaction import redact_outcome, redacted_logging
from functions.worker.upstream_results import UpstreamResults

if TYPE_CHECKING:
    # Imported when the first handler submits.
    from functions.intake.children import ChildSubmission


class AttemptResult(NamedTuple):
    """`stuck`: the code of the handler still runs. `lease_lost`: a write of the attempt was refused, because a later
    attempt holds the task."""

    outcome: Outcome
    log: tuple[str, ...] = ()
    stuck: bool = False
    lease_lost: bool = False


class AttemptRunner:
    """`clock`: epoch ms. `lane`: the dimension of the metrics."""

    def __init__(
        self,
        *,
        tasks: TaskStore,
        documents: Documents,
        effects: Effects,
        upstream_results: UpstreamResults,
        registry: Callable[[], Registry],
        executor: Executor,
        mail: Mail,
        http: HttpClient,
        secrets: Secrets,
        children: Callable[[], ChildSubmission],
        handler_secrets: HandlerSecrets,
        metrics: Metrics,
        clock: Callable[[], int],
        lane: str,
    ) -> None:
        self.tasks = tasks
        self.documents = documents
        self.effects = effects
        self.upstream_results = upstream_results
        self.registry = registry
        self.executor = executor
        self.mail = mail
        self.http = http
        self.secrets = secrets
        self.children = children
        self.handler_secrets = handler_secrets
        self.metrics = metrics
        self.clock = clock
        self.lane = lane

    def run(self, task: Task, *, stop_at: int) -> AttemptResult:
        """`stop_at`: epoch ms, the latest time at which the handler may still run."""
        started = task.started_at or self.clock()
        self._count_start(task, started)
        deadline = min(started + task.timeout_seconds * 1000, stop_at)
        log: list[str] = []
        try:
            kind = self.registry().find(task.type)
            payload = self.documents.read(task.tenant, task.id, task.payload)
            redactor = SecretRedactor.for_payload(kind.mask(payload), payload)
            ctx = self._context(task, deadline, redactor, log)
        except Exception as error:
            # A newer or older deployment of the API accepted the type, and a worker that knows it may take the retry;
            # or a document cannot be read for now. The task shows this error at once, not after the end of its lease.
            return AttemptResult(failure_of(error))
        now = self.clock()
        try:
            with redacted_logging(redactor):
                execution = self.executor.run(
                    kind, ctx, payload, seconds=(deadline - now) / 1000, limit=(stop_at - now) / 1000
                )
        except Exception as error:
            # No thread could be started: the handlers of this process hold too many.
            execution = Execution(failure_of(error))
        self.metrics.time("RunTime", self.clock() - started, lane=self.lane)
        outcome = redact_outcome(execution.outcome, redactor)
        return AttemptResult(
            outcome,
            log=tuple(map(redactor.redact_text, log)),
            stuck=execution.stuck and isinstance(outcome, Failed),
            lease_lost=ctx.lease_lost,
        )

    def _count_start(self, task: Task, started: int) -> None:
        self.metrics.count("TaskStarted", lane=self.lane)
        self.metrics.time("QueueWait", max(0, started - task.available_at), lane=self.lane)
        if task.attempt == 1 and task.available_at > task.created_at:
            self.metrics.time("Drift", started - task.available_at, lane=self.lane)

    def _context(self, task: Task, deadline: int, redactor: SecretRedactor, log: list[str]) -> Context:
        """`deadline`: epoch ms. `log`: the lines that the handler logs are appended to it."""
        return Context(
            task_id=task.id,
            tenant=task.tenant,
            type=task.type,
            attempt=task.attempt,
            max_attempts=task.retry.max_attempts,
            deadline=deadline / 1000,
            tags=task.tags,
            inputs=self.upstream_results.read(task),
            mail=self.mail,
            http=self.http,
            secrets=self.secrets,
            now=lambda: self.clock() / 1000,
            _recorder=AttemptRecorder(
                task, self.tasks, self.effects, self.clock, redactor, self.children, self.handler_secrets
            ),
            _log=log,
        )
