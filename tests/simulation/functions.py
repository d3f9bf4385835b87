"""Lambda: invocations of the real functions' entry points, each in a sandbox of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.deployment import ACCOUNT, TIMEOUTS
from tests.simulation.fibers import MS, SECOND, Killed, Process, nothing
from tests.simulation.seams import installed, random_uuid

if TYPE_CHECKING:
    from tests.simulation.world import World


class Lambda(Process):
    """One invocation."""

    def __init__(self, world: World, function: str, number: int, event: dict[str, Any]) -> None:
        super().__init__(world.hub, f"{function}#{number}")
        self.function = function
        self.event = event
        self.ends_at = world.hub.now + TIMEOUTS[function] * SECOND
        self.over = False
        """Returned, failed, killed or past its end: Lambda counts on nothing from it any more."""
        self.spared = False
        self.aws_request_id = str(random_uuid())
        self.function_name = function
        self.memory_limit_in_mb = 512
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}"
        self.world = world
        self.sandbox: Any = None
        self.writes: list[str] = []
        """Ids of the tasks whose records this invocation wrote."""
        self.unsure = False
        """One of its calls was applied and its answer lost."""
        self.frozen = False
        self.failure = "Lambda.Unknown"
        """The error as Step Functions reports it, if the step fails."""
        self.began = world.hub.now
        self._router: tuple[Any, ...] | None = None

    def enter(self) -> None:
        """Powertools keeps the request of a process in its class: requests run side by side here."""
        if self.function == "api":
            router = installed().router
            self._before = router.current()
            if self._router is not None:
                router.put(self._router)

    def leave(self) -> None:
        if self.function == "api":
            router = installed().router
            self._router = router.current()
            router.put(self._before)

    def wrote(self, task: str) -> bool:
        """This task, or any when it is empty."""
        return task in self.writes if task else bool(self.writes)

    @property
    def alive(self) -> bool:
        """Runs, and by right."""
        return not self.dead and not self.over and self.hub.now < self.ends_at

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self.ends_at - self.hub.now) // MS)


class Functions:
    """Starts invocations in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = 0
        self.idle: dict[str, list[Any]] = {}
        """Warm sandboxes, with what they remember."""

    def invoke(
        self, function: str, event: dict[str, Any], done: Callable[[Any], None], what: str, *, spared: bool = False
    ) -> Lambda:
        """`done(answer)` once, when the invocation ends; answer None: it failed. `spared`: no fault kills it."""
        world = self.world
        self.number += 1
        process = Lambda(world, function, self.number, event)
        process.skew = world.faults.skew_of(function)
        process.spared = spared
        skew = f", clock {process.skew / SECOND:+.2f} s" if process.skew else ""
        world.trace(process.name, f"starts: {what}{skew}")
        world.count("invocations")
        entry = installed().entries[function]
        idle = self.idle.setdefault(function, [])
        process.sandbox = idle.pop() if idle else installed().assemble(function)

        def end(answer: Any) -> None:
            if not process.over:
                process.over = True
                done(answer)

        def ended() -> None:
            main.after = nothing
            process.dead = True
            if not isinstance(main.error, Killed) and not process.over:
                idle.append(process.sandbox)
            if main.error is None and main.result is not None:
                if not process.over and (spared or not world.faults.happens("invocation failed", process.name)):
                    world.trace(process.name, "returns")
                    # JSON, as Lambda would: nothing of it is shared.
                    end(json.loads(json.dumps(main.result)))
            elif isinstance(main.error, Killed) or main.error is None:
                world.trace(process.name, "is killed")
                world.count("deaths")
            else:
                world.trace(process.name, f"raises {main.error!r}")
                process.failure = type(main.error).__name__
                world.raised(function, main.error)
            process.kill()
            end(None)

        main = world.hub.spawn(process, lambda: entry(event, process))
        main.after = ended

        def time_out() -> None:
            if main.ended or process.dead:
                return
            process.failure = "Sandbox.Timedout"
            extra = world.faults.zombie_for(process.name, frozen=process.frozen)
            world.trace(process.name, f"is past its end{', runs on as a zombie' if extra else ', killed'}")
            end(None)
            world.hub.after(extra, process.kill)

        world.hub.at(process.ends_at, time_out)
        return process
