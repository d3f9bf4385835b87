"""What breaks: each takes a contender at work and a number of tasks, and gives a row of the crash table."""

from __future__ import annotations

import contextlib
import http.server
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local.aws.calls import AwsCall, error_response
from local.functions.function import InvocationResult
from local.http_server import Response
from tests.bench.processes import wait_until
from tests.bench.server import Server
from tests.bench.stage import Row, Stage
from tests.bench.watching import HOUR, Notes, duration

TASK_SECONDS = 0.2
TOGETHER = 100
"""Tasks that are submitted at once, where the contender can: its workers are to have all hands full."""
Scenario = Callable[[Stage, int], Row]


def tasks(count: int) -> list[str]:
    return [f"t{at:04d}" for at in range(count)]


def worker_killed(on: Stage, count: int, what: str = "sleep", title: str = "kill -9 of the workers, mid-task") -> Row:
    """All worker processes, when a quarter of the tasks have begun; they are started again at once."""
    on.producer.send(ids=tasks(count), what=what, seconds=TASK_SECONDS, group=TOGETHER)
    ids, note = kill_workers(on, count // 4)
    return on.row(title, ids, on.watch(lambda notes: notes.all_ended(ids)), note)


def worker_killed_once(on: Stage, count: int) -> Row:
    """What a handler does inside `ctx.once` is never repeated: a worker that dies in it leaves a task that says so."""
    row = worker_killed(on, count, "once", "kill -9 of the workers, the work inside ctx.once")
    doubt = f"{row['note']}; {row['givenUp']} in doubt: not done again, FAILED, for a person to look at"
    return row | {"protected": True, "note": doubt, "recovery": None}


def join_killed(on: Stage, count: int) -> Row:
    """A chord, or a workflow: the last task is to run once all others have."""
    on.producer.send(ids=tasks(count - 1), join="last", what="sleep", seconds=TASK_SECONDS)
    ids, note = kill_workers(on, count // 4)
    seen = on.watch(lambda notes: bool(notes.ends["last"]))
    note += f"; the last task ran {times(seen.notes.starts['last'])}"
    return on.row("kill -9 of the workers, a join of all others into one", ids, seen, note)


def kill_workers(on: Stage, begun: int) -> tuple[list[str], str]:
    """While tasks may still be submitted. Which were accepted, and how many were being run."""
    wait_until(lambda: len(Notes.read(on.server).starts) > begun, 60)
    notes = Notes.read(on.server)
    if on.contender.through_local:
        kill_functions(on.server, set(+notes.running))
    else:
        on.supervisor.kill()
    notes = Notes.read(on.server)
    return on.accepted(), f"{notes.starts.total() - notes.ends.total()} in the middle"


def functions_killed(on: Stage, count: int) -> Row:
    """Every function process of the local system, api and observer included, three times."""
    ids = on.submit(tasks(count), what="sleep", seconds=TASK_SECONDS, group=TOGETHER)
    victims = 0
    for fifth in (1, 2, 3):
        wait_until(lambda fifth=fifth: len(Notes.read(on.server).starts) > fifth * count // 5, 30)
        victims += kill_functions(on.server)
    seen = on.watch(lambda notes: notes.all_ended(ids))
    return on.row("kill -9 of all function processes, three times", ids, seen, f"{victims} processes killed")


def kill_functions(server: Server, only: set[int] | None = None) -> int:
    """The function processes are the children of the fork servers. `only`: those ids. How many there were."""
    servers = server.system.fork_server_pids
    children = [pid for server in servers for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    victims = [pid for pid in map(int, children) if only is None or pid in only]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)


def poisoned(on: Stage, count: int) -> Row:
    """One task ends its process whenever it runs, in the middle of others that do no harm."""
    poison, ids = tasks(count)[count // 2], tasks(count)
    others = [task for task in ids if task != poison]
    on.submit(ids, what="sleep", seconds=TASK_SECONDS, group=TOGETHER, poison=poison)
    clock = on.server.system.clock
    began = clock.now()
    # After so many real seconds, a contender that still runs counts as running for ever.
    seen = on.watch(lambda notes: False, patience=20)
    if not on.contender.through_local and not seen.notes.all_ended(others):
        # Whoever goes on without a pause has not let the clock be moved: what is hidden is to come back all the same.
        clock.jump(on.contender.visibility)
        seen = on.watch(lambda notes: notes.all_ended(others), patience=20, began=began)
    note = f"the poison ran {times(seen.notes.starts[poison])}"
    return on.row("a poison task that exits its process", ids, seen, note)


def downstream(on: Stage, count: int) -> Row:
    """A service that the tasks call answers 500 for an hour; then it answers."""
    clock = on.server.system.clock
    well_at = clock.now() + HOUR
    with answering(lambda: clock.now() >= well_at) as url:
        retries = {"retries": 30} if on.contender.through_local else {}
        ids = on.submit(tasks(count), what="call", url=url, **retries)
        seen = on.watch(lambda notes: notes.all_ended(ids), patience=240, stride=60)
    runs = sum(seen.notes.starts[task] for task in ids) / count
    row = on.row("a downstream answers 500 for an hour", ids, seen, f"{runs:.1f} attempts a task")
    return row | {"recovery": after(HOUR, seen.seconds, "it was well"), "again": None}


@contextlib.contextmanager
def answering(well: Callable[[], bool]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if well() else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{service.server_port}/"
    finally:
        service.shutdown()
        service.server_close()


def lane_throttled(on: Stage, count: int) -> Row:
    """Lambda refuses to run the lane's worker for an hour: what SQS hands out comes back unread, again and again,
    until the redrive policy takes it for dead."""
    clock = on.server.system.clock
    function = next(f for f in on.server.system.functions.values() if f.spec.label == "worker-normal")
    until, refused = clock.now() + HOUR, 0
    run = function.invoke

    async def throttled(payload: bytes) -> InvocationResult:
        nonlocal refused
        if clock.now() >= until:
            return await run(payload)
        refused += 1
        return InvocationResult(b'{"errorType":"TooManyRequestsException"}', True, "throttled")

    function.invoke = throttled  # type: ignore[method-assign]
    try:
        ids = on.submit(tasks(count), what="sleep", seconds=0.01)
        seen = on.watch(lambda notes: notes.all_ended(ids), patience=240)
    finally:
        function.invoke = run  # type: ignore[method-assign]
    row = on.row("Lambda throttles a lane for an hour", ids, seen, f"{refused} invocations refused")
    return row | {"recovery": after(HOUR, seen.seconds, "it ran again")}


def store_throttled(on: Stage, count: int) -> Row:
    """DynamoDB throttles one call in five, of everybody, for as long as it takes."""
    draw = random.Random(5)

    def fault(caller: str, call: AwsCall) -> Response | None:
        if call.service == "dynamodb" and caller != "admin" and draw.random() < 0.2:
            return error_response(
                "dynamodb", "ProvisionedThroughputExceededException", "The level of ... was exceeded.", 400
            )
        return None

    on.server.counting.fault = fault
    ids = on.submit(tasks(count), what="sleep", seconds=0.01)
    seen = on.watch(lambda notes: notes.all_ended(ids))
    note = f"{on.server.counting.faults.total()} calls throttled"
    on.server.counting.fault = None
    if refused := count - len(ids):
        note += f"; {refused} submits refused, and said so"
    return on.row("DynamoDB throttles one call in five", ids, seen, note)


def producer_ends(on: Stage, count: int) -> Row:
    """In good order, a moment after its last submit: long enough for what it holds in a buffer to have been taken up,
    too short for a buffer that is emptied every second."""
    ids = on.submit(tasks(count), what="sleep", seconds=0.01)
    time.sleep(0.3)
    on.producer.end()
    seen = on.watch(lambda notes: notes.all_ended(ids))
    return on.row("the producer ends in good order, 0.3 s after its last submit", ids, seen)


def delayed_beyond_visibility(on: Stage, count: int) -> Row:
    """Due after four times as long as SQS hides a message that a worker holds. Celery's workers hold it, by their own
    clock: that one is not moved."""
    delay = 4 * on.contender.visibility
    by_its_own_clock = on.contender.name.startswith("celery")
    ids = on.submit(tasks(count), delay=delay, what="sleep", seconds=0.01)
    seen = on.watch(lambda notes: False, moves=not by_its_own_clock, patience=delay + 10 if by_its_own_clock else 60)
    note = f"due after {duration(delay)}; {sum(seen.notes.starts[task] for task in ids)} runs of {len(ids)} tasks"
    if len(ids) < count:
        note = f"due after {duration(delay)}; refused"
    row = on.row("delayed for four times the visibility timeout", ids, seen, note)
    return row | {"recovery": None}


def cancelled(on: Stage, count: int) -> Row:
    """Before they are due, as the one who submitted them."""
    ids = on.submit(tasks(count), delay=5, what="sleep", seconds=0.01)
    on.producer.order(60, cancel=ids)
    seen = on.watch(lambda notes: notes.all_ended(ids), moves=False, patience=12)
    ran = sum(bool(seen.notes.starts[task]) for task in ids)
    row = on.row("cancelled before they are due", ids, seen, f"{ran} of {len(ids)} ran all the same")
    return row | {"lost": None, "stuck": None, "recovery": None}


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def after(outage: float, seconds: float, event: str) -> str | None:
    return f"{duration(seconds - outage)} after {event}" if seconds >= outage else None
