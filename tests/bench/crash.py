"""What is lost, run again or stuck when things break: `python -m tests.bench crash`.

Time is the server's: SQS's visibility and delays, and for Taskyard's functions everything else too, go by a clock that
is moved to the next thing due whenever nothing happens. What a peer times in its own process is real, and so nothing
that depends on it is asked of a peer.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.aws_calls import Call, error
from local.functions import Result
from local.http_server import Response
from tests.bench.contenders import Contender, celery, dramatiq, taskiq, taskyard_local
from tests.bench.processes import ContenderFailed, Process, wait_until
from tests.bench.server import Server, serving
from tests.bench.watching import HOUR, Notes, Seen, Supervisor, duration, watch

Row = dict[str, Any]
TASK_SECONDS = 0.2
HORIZON = 14 * HOUR


@dataclass(frozen=True)
class Stage:
    """A contender at work: `submit` from its own producer, with its workers kept running."""

    server: Server
    contender: Contender
    producer: Process
    supervisor: Supervisor

    def submit(self, ids: list[str], **fields: Any) -> int:
        """How many the caller was told were not accepted."""
        return int(self.producer.order(120, ids=ids, **fields)["refused"])

    def watch(self, done: Callable[[Notes], bool], **limits: Any) -> Seen:
        return watch(self.server, self.contender, done, look=self.supervisor.look, **limits)

    def row(self, what: str, ids: list[str], seen: Seen, note: str = "", recovery: str | None = None) -> Row:
        missing = [task for task in ids if not seen.notes.ends[task]]
        kept = self.kept(ids) if self.contender.through_local else seen.queued
        stuck = min(len(missing), kept)
        return {
            "what": what,
            "who": self.contender.title,
            "tasks": len(ids),
            "lost": len(missing) - stuck,
            "again": sum(seen.notes.starts[task] > 1 for task in ids),
            "stuck": stuck,
            "recovery": recovery or duration(seen.seconds),
            "note": note,
        }

    def kept(self, ids: list[str]) -> int:
        """Records that are not settled, or not as SUCCESS: nobody has forgotten these."""
        return sum(state != "SUCCESS" for state in states(self.server).values())


def states(server: Server) -> dict[str, str]:
    """Task id → state, of all records."""
    dynamodb = server.system.aws("dynamodb")
    found: dict[str, str] = {}
    start: dict[str, Any] = {}
    while True:
        page = dynamodb.scan(TableName=server.function("api").environment["TABLE_NAME"], **start)
        found |= {item["pk"]["S"]: item["state"]["S"] for item in page["Items"] if item["sk"]["S"] == "TASK"}
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@contextlib.contextmanager
def stage(server: Server, contender: Contender) -> Iterator[Stage]:
    server.forget()
    server.counting.fault = None
    contender.prepare(server)
    supervisor = Supervisor(server, contender)
    producer = Process(contender.producer(server))
    try:
        producer.answer(60)
        made = Stage(server, contender, producer, supervisor)
        made.submit(["warm"], what="sleep", seconds=0.01)
        wait_until(lambda: Notes.read(server).ends["warm"], 60)
        time.sleep(1)
        yield made
    finally:
        server.counting.fault = None
        producer.kill()
        producer.stop()
        supervisor.close()


def tasks(count: int) -> list[str]:
    return [f"t{at:04d}" for at in range(count)]


def all_ended(ids: list[str]) -> Callable[[Notes], bool]:
    return lambda notes: all(notes.ends[task] for task in ids)


# -- what breaks


def worker_killed(on: Stage, count: int) -> Row:
    """kill -9 of all worker processes when a quarter of the tasks have begun; they are started again at once."""
    ids = tasks(count)
    on.submit(ids, what="sleep", seconds=TASK_SECONDS)
    wait_until(lambda: len(Notes.read(on.server).starts) > count // 4, 60)
    if on.contender.through_local:
        victims = kill_functions(on.server, set(Notes.read(on.server).running))
        note = f"{victims} worker processes killed"
    else:
        on.supervisor.kill()
        note = ""
    seen = on.watch(all_ended(ids), horizon=HORIZON)
    return on.row("kill -9 of the workers, mid-task", ids, seen, note)


def functions_killed(on: Stage, count: int) -> Row:
    """kill -9 of every function process of the local system, api and observer included, three times."""
    ids = tasks(count)
    on.submit(ids, what="sleep", seconds=TASK_SECONDS)
    victims = 0
    for quarter in (1, 2, 3):
        wait_until(lambda quarter=quarter: len(Notes.read(on.server).starts) > quarter * count // 5, 30)
        victims += kill_functions(on.server)
    seen = on.watch(all_ended(ids), horizon=HORIZON)
    return on.row("kill -9 of all function processes, three times", ids, seen, f"{victims} processes killed")


def kill_functions(server: Server, only: set[int] | None = None) -> int:
    """The function processes are the children of the fork server; `only`: of these process ids."""
    zygote = server.system.fork_server_pid
    killed = 0
    for pid in children(zygote):
        if only is None or pid in only:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def children(parent: int) -> list[int]:
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        return [int(pid) for pid in file.read().split()]


def poison(on: Stage, count: int) -> Row:
    """One task ends its process whenever it runs, among others that do no harm."""
    others = tasks(count - 1)
    on.submit(others[: count // 2], what="sleep", seconds=TASK_SECONDS)
    on.submit(["poison"], what="poison")
    on.submit(others[count // 2 :], what="sleep", seconds=TASK_SECONDS)
    # A real minute is enough to tell who goes on for ever: nobody's clock has to come for that.
    seen = on.watch(lambda notes: False, horizon=HORIZON, patience=60)
    runs = seen.notes.starts["poison"]
    state = ""
    if on.contender.through_local:
        state = next((state for state in states(on.server).values() if state != "SUCCESS"), "")
    ended = f"ended as {state}" if state in ("DEAD", "FAILED") else "still running it" if seen.queued else "dropped"
    row = on.row("a poison task that exits its process", others, seen, f"the poison ran {runs} times; {ended}")
    if on.contender.through_local:
        row["stuck"] = max(0, row["stuck"] - (state == "DEAD"))
    return row


def downstream(on: Stage, count: int) -> Row:
    """A service that the tasks call answers 500 for an hour; then it answers."""
    ids = tasks(count)
    clock = on.server.system.clock
    well_at = clock.now() + HOUR
    with answering(lambda: clock.now() >= well_at) as url:
        on.submit(ids, what="call", url=url, retries=30)
        seen = on.watch(all_ended(ids), horizon=HORIZON, patience=240)
    after = seen.seconds - HOUR
    runs = sum(seen.notes.starts[task] for task in ids) / count
    row = on.row("a downstream answers 500 for an hour", ids, seen, f"{runs:.1f} attempts a task")
    return row | {"recovery": f"{duration(max(0.0, after))} after it was well", "again": None}


@contextlib.contextmanager
def answering(well: Callable[[], bool]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if well() else 500)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
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
    ids = tasks(count)
    clock = on.server.system.clock
    function = next(f for f in on.server.system.functions.values() if f.spec.label == "worker-normal")
    until, refused = clock.now() + HOUR, 0
    run = function.invoke

    async def throttled(payload: bytes) -> Result:
        nonlocal refused
        if clock.now() >= until:
            return await run(payload)
        refused += 1
        return Result(b'{"errorType":"TooManyRequestsException"}', True, "throttled")

    function.invoke = throttled  # type: ignore[method-assign]
    try:
        on.submit(ids, what="sleep", seconds=0.01)
        seen = on.watch(all_ended(ids), horizon=HORIZON, patience=240)
    finally:
        function.invoke = run  # type: ignore[method-assign]
    late = duration(max(0.0, seen.seconds - HOUR))
    note = f"{refused} invocations refused"
    return on.row("Lambda throttles a lane for an hour", ids, seen, note) | {"recovery": f"{late} after it ran again"}


def store_throttled(on: Stage, count: int) -> Row:
    """DynamoDB throttles one call in five, of everybody, for as long as it takes."""
    ids = tasks(count)
    draw = random.Random(5)

    def fault(caller: str, call: Call) -> Response | None:
        if call.service == "dynamodb" and caller != "admin" and draw.random() < 0.2:
            return error("dynamodb", "ProvisionedThroughputExceededException", "The level of ... was exceeded.", 400)
        return None

    on.server.counting.fault = fault
    refused = on.submit(ids, what="sleep", seconds=0.01)
    seen = on.watch(all_ended(ids), horizon=HORIZON, patience=120)
    faults = on.server.counting.faults.total()
    on.server.counting.fault = None
    on.server.system.settle(20)
    note = f"{faults} calls throttled"
    if refused:
        note += f"; {refused} submits refused, and said so"
    return on.row("DynamoDB throttles one call in five", ids, seen, note)


def producer_ends(on: Stage, count: int) -> Row:
    """The producer submits and ends in good order at once, without waiting."""
    ids = tasks(count)
    on.submit(ids, what="sleep", seconds=0.01)
    on.producer.stop()
    seen = on.watch(all_ended(ids), horizon=HORIZON, patience=30)
    return on.row("the producer ends right after its last submit", ids, seen)


Scenario = Callable[[Stage, int], Row]
KILLED: tuple[tuple[Scenario, int, int], ...] = ((worker_killed, 200, 40), (poison, 20, 10))
"""Scenario, tasks, tasks of a quick run: for everybody."""
OURS: tuple[tuple[Scenario, int, int], ...] = (
    (functions_killed, 200, 40),
    (downstream, 50, 5),
    (lane_throttled, 100, 10),
    (store_throttled, 200, 40),
)


def plan(peers: bool) -> list[tuple[Contender, tuple[tuple[Scenario, int, int], ...]]]:
    mine = taskyard_local(1)
    played: list[tuple[Contender, tuple[tuple[Scenario, int, int], ...]]] = [
        (mine, (*KILLED, *OURS, (producer_ends, 25, 5)))
    ]
    if peers:
        stores = ((store_throttled, 200, 40),)
        played += [
            (celery("default"), (*KILLED, *stores)),
            (celery("recommended"), (*KILLED, *stores)),
            (dramatiq(), KILLED),
            (taskiq(), KILLED),
            (taskiq("batching"), ((producer_ends, 25, 5),)),
        ]
    return played


def measure(*, quick: bool, peers: bool, problems: dict[str, str], tell: Callable[[str], None]) -> list[Row]:
    """Rows by what breaks, then by who."""
    rows: list[Row] = []
    with serving("crash") as server:
        for contender, scenarios in plan(peers):
            for scenario, full, few in scenarios:
                began = time.monotonic()
                try:
                    with stage(server, contender) as on:
                        rows.append(scenario(on, few if quick else full))
                    row = rows[-1]
                    said = f"lost {row['lost']}, again {row['again']}, stuck {row['stuck']}, {row['recovery']}"
                except (ContenderFailed, OSError) as failed:
                    said = f"failed: {failed}"
                    problems[f"{scenario.__name__}, {contender.title}"] = str(failed)
                tell(f"{scenario.__name__}: {contender.title}: {said} ({time.monotonic() - began:.0f} s)")
    order = list(dict.fromkeys(row["what"] for row in rows))
    return sorted(rows, key=lambda row: order.index(row["what"]))
