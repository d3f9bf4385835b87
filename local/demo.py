"""`make demo`: starts the local system, runs tasks of every kind through its HTTP API, shows them until all are
settled, and checks that each ended as it should. One of the requests asks to wait a minute, so it takes a little more.
"""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskyard import Task, Taskyard, TaskyardError
from taskyard.cli import text
from taskyard.cli.text import clock, console_for, last_word, plain, seconds, tries
from taskyard.cli.watch import changed, look_at

from local import demo_schedule, demo_workflow
from local.assembly import AssemblyError
from local.aws_endpoint import Mail
from local.system import LocalSystem

if TYPE_CHECKING:
    from rich.table import Table

REQUESTS = Path(__file__).parent.parent / "events" / "requests"

# Seconds from the start after which what has not settled is called stuck. The longest task waits 60 s.
STUCK_AFTER = 110.0
# Seconds between looks at the tasks.
LOOK_EVERY = 0.25
# A task that waits should start within about a second of its time; a busy laptop gets some more before it is a fault.
LATE_AFTER = 5.0

# The seed with which FAIL_SOMETIMES at probability 0.5 fails its first attempt and not its second.
FAILS_ONCE = 2

# The types whose success is a mail sent.
MAIL_TYPES = frozenset({"SEND_EMAIL", "email", "welcome-email"})

QUICK_RETRY = {"strategy": "fixed", "baseSeconds": 1, "jitter": 0}


@dataclass(frozen=True)
class Case:
    """One submit. body: as POST /tasks takes it. attempts: how many it should need. waits: seconds until it is due;
    what waits is held to its time."""

    label: str
    body: bytes
    ends: str = "SUCCESS"
    attempts: int = 1
    waits: float = 0


def request_cases(folder: Path = REQUESTS) -> list[Case]:
    """The bodies in events/requests/, byte for byte."""
    waits = {"distributed": 60.0}
    return [
        Case(f"{file.name}", file.read_bytes(), waits=waits.get(file.stem, 0)) for file in sorted(folder.glob("*.json"))
    ]


def example_cases(receiver_url: str) -> list[Case]:
    """The example task types, each with the ends that it can come to."""

    def case(label: str, type: str, payload: Mapping[str, Any], ends: str, attempts: int, **fields: Any) -> Case:
        body = json.dumps({"type": type, "payload": payload, **fields}).encode()
        return Case(label, body, ends, attempts, float(fields.get("delaySeconds", 0)))

    mail = {"to": "ada@example.com", "subject": "It runs", "content": "<p>A task sent this mail.</p>"}
    order = {"order": 17, "status": "shipped"}
    return [
        case("mail", "SEND_EMAIL", mail, "SUCCESS", 1),
        case("message in 3 s", "DELAYED_MESSAGE", {"message": "three seconds later"}, "SUCCESS", 1, delaySeconds=3),
        case("fails once", "FAIL_SOMETIMES", {"probability": 0.5, "seed": FAILS_ONCE}, "SUCCESS", 2, retry=QUICK_RETRY),
        case("always fails", "FAIL_SOMETIMES", {"probability": 1.0}, "DEAD", 3, maxRetries=2, retry=QUICK_RETRY),
        case("webhook, busy at first", "WEBHOOK_CALL", {"url": f"{receiver_url}/orders", "body": order}, "SUCCESS", 2),
        case("webhook, nobody there", "WEBHOOK_CALL", {"url": f"{receiver_url}/gone", "body": order}, "FAILED", 1),
    ]


@dataclass
class Receiver:
    """What the webhook receiver saw: (path, status answered, body) of each delivery."""

    url: str
    deliveries: list[tuple[str, int, Any]]


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Answers on loopback: /orders with 503 and Retry-After: 1 the first time, then 200; all else with 404."""
    deliveries: list[tuple[str, int, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                known = self.path == "/orders"
                first = all(path != self.path for path, _, _ in deliveries)
                status = 404 if not known else 503 if first else 200
                deliveries.append((self.path, status, json.loads(body or b"null")))
            self.send_response(status)
            if status == 503:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the table shows what becomes of the deliveries."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="webhook-receiver", daemon=True)
    thread.start()
    try:
        yield Receiver(f"http://127.0.0.1:{server.server_port}", deliveries)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def faults(case: Case, task: Task) -> list[str]:
    """What is not as the case says; empty when all is well."""
    if not task.settled:
        return [f"{case.label}: still {task.state}"]
    found = []
    if task.state != case.ends:
        found.append(f"{case.label}: {task.state} instead of {case.ends} ({last_word(task)})")
    if task.attempt != case.attempts:
        found.append(f"{case.label}: took {task.attempt} attempts instead of {case.attempts}")
    drift = task.drift_seconds
    if case.waits and (drift is None or not 0 <= drift <= LATE_AFTER):
        found.append(f"{case.label}: started {seconds(drift) or 'never'} after its time")
    return found


def table(cases: Sequence[Case], tasks: Sequence[Task], width: int) -> "Table":
    rows = [
        {
            "WHAT": case.label,
            "TYPE": plain(task.type),
            "STATE": task.state,
            "TRY": tries(task),
            "DUE (UTC)": clock(task.due_at),
            "DRIFT": seconds(task.drift_seconds),
            "STARTED": clock(task.started_at),
            "ENDED": clock(task.ended_at),
            "ATTEMPTS": " → ".join(attempt.outcome or "…" for attempt in task.attempts),
        }
        for case, task in zip(cases, tasks, strict=True)
    ]
    return text.table(rows, width, may_go=("TYPE", "STARTED", "ENDED"), may_wrap=("ATTEMPTS",))


def follow(yard: Taskyard, cases: Sequence[Case], submitted: Sequence[Task]) -> Sequence[Task]:
    """Shows the tasks until all are settled or STUCK_AFTER; answers how they were last seen.

    A live table on a terminal, else a line for each change and the table at the end.
    """
    from rich.live import Live

    console = console_for()
    look = look_at(yard, [task.id for task in submitted])
    labels = {task.id: case.label for case, task in zip(cases, submitted, strict=True)}
    width = max(map(len, labels.values()))
    started = time.monotonic()
    tasks: Sequence[Task] = submitted
    before: dict[str, tuple[str, int]] = {}
    with Live(console=console, auto_refresh=False) if console.is_terminal else _nothing_live() as live:
        while not all(task.settled for task in tasks) and time.monotonic() - started < STUCK_AFTER:
            tasks = look()
            if live is not None:
                live.update(table(cases, tasks, console.width), refresh=True)
            for task in changed(tasks, before) if live is None else ():
                at = f"+{time.monotonic() - started:5.1f} s"
                word = last_word(task)
                print(
                    f"{at}  {labels[task.id]:<{width}}  {task.state:<9} try {tries(task)}  {word}".rstrip(), flush=True
                )
            time.sleep(LOOK_EVERY)
    if not console.is_terminal:
        console.print()
        console.print(table(cases, tasks, console.width))
    return tasks


@contextmanager
def _nothing_live() -> Iterator[None]:
    yield None


def main() -> int:
    """Exit code: 0 when every task ended as expected, 1 with what was wrong, 130 after Ctrl-C."""
    print("Starting the local system …", flush=True)
    told: list[str] = []
    try:
        with (
            LocalSystem.start(port=0, tell=told.append, seed=demo_schedule.SEED) as system,
            webhook_receiver() as receiver,
            Taskyard(system.url, "none") as yard,
        ):
            print(f"It serves {system.url}\n", flush=True)
            wrong = run(yard, system, receiver)
    except (AssemblyError, TaskyardError) as error:
        wrong = [f"the demo ended early: {error}"]
    except KeyboardInterrupt:
        return 130
    if not wrong:
        print("\nEverything ended as expected.")
        return 0
    print("\nNot as expected:", *(f"  {line}" for line in wrong), sep="\n")
    if told:
        print("\nThe local system told:", *(f"  {line}" for line in told), sep="\n")
    return 1


def run(yard: Taskyard, system: LocalSystem, receiver: Receiver) -> list[str]:
    """What was not as expected; empty when all was well."""
    every_minute = demo_schedule.begin(yard)
    cases = [*request_cases(), *example_cases(receiver.url)]
    keys = [str(uuid.uuid4()) for _ in cases]
    submitted = [yard.submit_body(case.body, key) for case, key in zip(cases, keys, strict=True)]

    # Sent twice under one key, it is one task.
    twice = next(index for index, case in enumerate(cases) if case.label == "background.json")
    again = yard.submit_body(cases[twice].body, keys[twice])
    one = again.id == submitted[twice].id
    wrong = [] if one else ["background.json: sent twice under one key, became two tasks"]

    # While the task that waits a minute does so.
    wrong += demo_workflow.show(yard)
    tasks = follow(yard, cases, submitted)
    for case, task in zip(cases, tasks, strict=True):
        wrong += faults(case, task)
    mails = system.mail()
    mailed = sum(task.succeeded and task.type in MAIL_TYPES for task in tasks) + demo_workflow.MAILS
    if len(mails) != mailed:
        wrong.append(f"{mailed} tasks and nodes that send mail succeeded, {len(mails)} mails were sent")
    if [status for path, status, _ in receiver.deliveries if path == "/orders"] != [503, 200]:
        wrong.append(f"the webhook receiver saw {receiver.deliveries}")
    _print_summary(cases, tasks, mails, receiver)
    wrong += demo_schedule.show(yard, every_minute)
    if one:
        print("background.json was sent twice under one idempotency key: one task")
    return wrong


def _print_summary(cases: Sequence[Case], tasks: Sequence[Task], mails: Sequence[Mail], receiver: Receiver) -> None:
    counts = Counter(task.state for task in tasks)
    print(f"\n{len(tasks)} tasks: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    for mail in mails:
        print(f"mail to {plain(', '.join(mail.to))}: {plain(mail.subject)}")
    for path, status, body in receiver.deliveries:
        print(f"webhook delivery: {path} {plain(body)} answered with {status}")
    for case, task in zip(cases, tasks, strict=True):
        if case.waits:
            print(f"{case.label}: asked to wait {case.waits:g} s, started {seconds(task.drift_seconds)} after its time")
