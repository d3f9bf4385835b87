"""`Taskyard.workflows` and `AsyncTaskyard.workflows`: DAGs of tasks, submitted and followed as one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, Unpack

from taskyard import workflow_calls as calls
from taskyard.calls import Call
from taskyard.errors import Throttled, Unavailable, Unreachable, WorkflowWaitTimeout
from taskyard.following import Patience, each, each_awaited
from taskyard.options import WorkflowOptions
from taskyard.workflow_calls import Nodes
from taskyard.workflow_model import Node, Workflow, WorkflowPage

T = TypeVar("T")


class Perform(Protocol):
    """Sends a call, again where that may help, and reads the answer. within: seconds that it may take in all."""

    def __call__(self, call: Call[T], within: float | None = None) -> T: ...


class AsyncPerform(Protocol):
    async def __call__(self, call: Call[T], within: float | None = None) -> T: ...


@dataclass(frozen=True)
class Workflows:
    perform: Perform
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def submit(
        self, nodes: Nodes, *, idempotency_key: str | None = None, **options: Unpack[WorkflowOptions]
    ) -> Workflow:
        """nodes: as POST /workflows takes them, a list with names or a map by name; each has `type`, `payload`,
        `dependsOn`, and what else a task may have. Options: name, deadline, on_failure, notify. Raises
        InvalidRequest with every reason; then nothing was kept."""
        return self.perform(calls.submit(nodes, idempotency_key=idempotency_key, **options))

    def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Workflow:
        return self.perform(calls.submit_body(body, idempotency_key))

    def get(self, workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Workflow:
        """With a page of its nodes."""
        return self.perform(calls.get(workflow_id, limit, cursor))

    def nodes(self, workflow_id: str) -> Iterator[Node]:
        """All of them, in the order of their submit; pages are fetched as the iterator reaches them."""
        return each(lambda size, cursor: self.get(workflow_id, size, cursor), lambda found: found.nodes)

    def page(self, limit: int | None = None, cursor: str | None = None) -> WorkflowPage:
        return self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> Iterator[Workflow]:
        """Newest first, at most `limit` in all."""
        return each(self.page, lambda page: page.workflows, limit)

    def cancel(self, workflow_id: str) -> None:
        """What has not started will not; again is fine. Raises Conflict when it has ended otherwise."""
        self.perform(calls.cancel(workflow_id))

    def retry(self, workflow_id: str) -> Workflow:
        """Runs again what did not succeed. Raises Conflict while it runs, and when all of it succeeded."""
        return self.perform(calls.retry(workflow_id))

    def graph(self, workflow_id: str, format: str = "mermaid") -> str:
        """format: mermaid, dot or svg."""
        return self.perform(calls.graph(workflow_id, format))

    def wait(self, workflow_id: str, timeout: float | None = None) -> Workflow:
        """Look until it has ended, at growing pauses of at most 5 s. Raises WorkflowWaitTimeout after `timeout` s."""
        patience, found = Patience(timeout, self.clock), None
        while True:
            try:
                found = self.perform(calls.get(workflow_id, limit=1), patience.left())
            except (Unreachable, Unavailable, Throttled):
                if found is None or not patience.is_over:
                    raise
            if found.ended:
                return found
            pause = patience.pause()
            if pause is None:
                raise WorkflowWaitTimeout(found, timeout or 0)
            self.sleep(pause)


@dataclass(frozen=True)
class AsyncWorkflows:
    """`Workflows` with `await`."""

    perform: AsyncPerform
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]

    async def submit(
        self, nodes: Nodes, *, idempotency_key: str | None = None, **options: Unpack[WorkflowOptions]
    ) -> Workflow:
        return await self.perform(calls.submit(nodes, idempotency_key=idempotency_key, **options))

    async def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Workflow:
        return await self.perform(calls.submit_body(body, idempotency_key))

    async def get(self, workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Workflow:
        return await self.perform(calls.get(workflow_id, limit, cursor))

    def nodes(self, workflow_id: str) -> AsyncIterator[Node]:
        return each_awaited(lambda size, cursor: self.get(workflow_id, size, cursor), lambda found: found.nodes)

    async def page(self, limit: int | None = None, cursor: str | None = None) -> WorkflowPage:
        return await self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> AsyncIterator[Workflow]:
        return each_awaited(self.page, lambda page: page.workflows, limit)

    async def cancel(self, workflow_id: str) -> None:
        await self.perform(calls.cancel(workflow_id))

    async def retry(self, workflow_id: str) -> Workflow:
        return await self.perform(calls.retry(workflow_id))

    async def graph(self, workflow_id: str, format: str = "mermaid") -> str:
        return await self.perform(calls.graph(workflow_id, format))

    async def wait(self, workflow_id: str, timeout: float | None = None) -> Workflow:
        patience, found = Patience(timeout, self.clock), None
        while True:
            try:
                found = await self.perform(calls.get(workflow_id, limit=1), patience.left())
            except (Unreachable, Unavailable, Throttled):
                if found is None or not patience.is_over:
                    raise
            if found.ended:
                return found
            pause = patience.pause()
            if pause is None:
                raise WorkflowWaitTimeout(found, timeout or 0)
            await self.sleep(pause)
