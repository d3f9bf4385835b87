"""`Taskyard.workflows` and `AsyncTaskyard.workflows`: DAGs of tasks, submitted and followed as one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from taskyard import workflow_calls as calls
from taskyard.calls import PAGE_LIMIT, Call
from taskyard.errors import WorkflowWaitTimeout
from taskyard.retrying import polling_pauses
from taskyard.workflow_calls import Nodes
from taskyard.workflow_model import Node, Workflow, WorkflowPage

T = TypeVar("T")


class Perform(Protocol):
    """Sends a call, again where that may help, and reads the answer."""

    def __call__(self, call: Call[T]) -> T: ...


class AsyncPerform(Protocol):
    async def __call__(self, call: Call[T]) -> T: ...


@dataclass(frozen=True)
class Workflows:
    perform: Perform
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def submit(
        self,
        nodes: Nodes,
        *,
        name: str | None = None,
        deadline: float | timedelta | None = None,
        on_failure: str | None = None,
        notify: Sequence[Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        """nodes: as POST /workflows takes them, a list with names or a map by name; each has `type`, `payload`,
        `dependsOn`, and what else a task may have. Raises InvalidRequest with every reason; then nothing was kept."""
        return self.perform(
            calls.submit(
                nodes,
                name=name,
                deadline=deadline,
                on_failure=on_failure,
                notify=notify,
                idempotency_key=idempotency_key,
            )
        )

    def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Workflow:
        return self.perform(calls.submit_body(body, idempotency_key))

    def get(self, workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Workflow:
        """With a page of its nodes."""
        return self.perform(calls.get(workflow_id, limit, cursor))

    def nodes(self, workflow_id: str) -> Iterator[Node]:
        """All of them, in the order of their submit; pages are fetched as the iterator reaches them."""
        cursor: str | None = None
        while True:
            found = self.get(workflow_id, PAGE_LIMIT, cursor)
            yield from found.nodes
            cursor = found.cursor
            if cursor is None:
                return

    def page(self, limit: int | None = None, cursor: str | None = None) -> WorkflowPage:
        return self.perform(calls.page(limit, cursor))

    def list(self, limit: int | None = None) -> Iterator[Workflow]:
        """Newest first, at most `limit` in all."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            found = self.page(None if left is None else min(left, PAGE_LIMIT), cursor)
            yield from found.workflows[:left]
            left = None if left is None else left - len(found.workflows)
            cursor = found.cursor
            if cursor is None:
                return

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
        end = None if timeout is None else self.clock() + timeout
        for pause in polling_pauses():
            found = self.get(workflow_id, limit=1)
            if found.ended:
                return found
            left = None if end is None else end - self.clock()
            if left is not None and left <= 0:
                raise WorkflowWaitTimeout(found, timeout or 0)
            self.sleep(pause if left is None else min(pause, left))
        raise AssertionError("the pauses have no end")


@dataclass(frozen=True)
class AsyncWorkflows:
    """`Workflows` with `await`."""

    perform: AsyncPerform
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]

    async def submit(
        self,
        nodes: Nodes,
        *,
        name: str | None = None,
        deadline: float | timedelta | None = None,
        on_failure: str | None = None,
        notify: Sequence[Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
    ) -> Workflow:
        return await self.perform(
            calls.submit(
                nodes,
                name=name,
                deadline=deadline,
                on_failure=on_failure,
                notify=notify,
                idempotency_key=idempotency_key,
            )
        )

    async def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Workflow:
        return await self.perform(calls.submit_body(body, idempotency_key))

    async def get(self, workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Workflow:
        return await self.perform(calls.get(workflow_id, limit, cursor))

    async def nodes(self, workflow_id: str) -> AsyncIterator[Node]:
        cursor: str | None = None
        while True:
            found = await self.get(workflow_id, PAGE_LIMIT, cursor)
            for node in found.nodes:
                yield node
            cursor = found.cursor
            if cursor is None:
                return

    async def page(self, limit: int | None = None, cursor: str | None = None) -> WorkflowPage:
        return await self.perform(calls.page(limit, cursor))

    async def list(self, limit: int | None = None) -> AsyncIterator[Workflow]:
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            found = await self.page(None if left is None else min(left, PAGE_LIMIT), cursor)
            for workflow in found.workflows[:left]:
                yield workflow
            left = None if left is None else left - len(found.workflows)
            cursor = found.cursor
            if cursor is None:
                return

    async def cancel(self, workflow_id: str) -> None:
        await self.perform(calls.cancel(workflow_id))

    async def retry(self, workflow_id: str) -> Workflow:
        return await self.perform(calls.retry(workflow_id))

    async def graph(self, workflow_id: str, format: str = "mermaid") -> str:
        return await self.perform(calls.graph(workflow_id, format))

    async def wait(self, workflow_id: str, timeout: float | None = None) -> Workflow:
        end = None if timeout is None else self.clock() + timeout
        for pause in polling_pauses():
            found = await self.get(workflow_id, limit=1)
            if found.ended:
                return found
            left = None if end is None else end - self.clock()
            if left is not None and left <= 0:
                raise WorkflowWaitTimeout(found, timeout or 0)
            await self.sleep(pause if left is None else min(pause, left))
        raise AssertionError("the pauses have no end")
