"""`make demo`: starts the local system, runs tasks of every kind through its HTTP API, shows them until all are
settled, and checks that each ended as it should. One of the requests asks to wait a minute, so it takes a little more.
"""

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from taskyard import Task, Taskyard, TaskyardError
from taskyard.cli import text
from taskyard.cli.text import attempts_text, console_for, printable, seconds, status_note, time_text
from taskyard.cli.watch import changed_tasks, reader_of

from local.demo import schedule, workflow
from local.demo.cases import MAIL_TYPES, Case, example_cases, mismatches, request_cases
from local.demo.webhook_receiver import Receiver, webhook_receiver
from local.endpoints.aws import Mail
from local.system import LocalSystem
from local.template.cloud_assembly import CloudAssemblyError
from local.template.intrinsics import REGION

if TYPE_CHECKING:
    from rich.table import Table

# Seconds from the start after which what has not settled is called stuck. The longest task waits 60 s.
STUCK_AFTER_SECONDS = 110.0
# Seconds between looks at the tasks.
POLL_SECONDS = 0.25


def table(cases: Sequence[Case], tasks: Sequence[Task], width: int) -> "Table":
    rows = [
        {
            "WHAT": case.label,
            "TYPE": printable(task.type),
            "STATE": task.state,
            "TRY": attempts_text(task),
            "DUE (UTC)": time_text(task.due_at),
            "DRIFT": seconds(task.drift_seconds),
            "STARTED": time_text(task.started_at),
            "ENDED": time_text(task.ended_at),
            "ATTEMPTS": " → ".join(attempt.outcome or "…" for attempt in task.attempts),
        }
        for case, task in zip(cases, tasks, strict=True)
    ]
    return text.table(rows, width, optional=("TYPE", "STARTED", "ENDED"), wrapping=("ATTEMPTS",))


def follow(yard: Taskyard, cases: Sequence[Case], submitted: Sequence[Task]) -> Sequence[Task]:
    """Shows the tasks until all are settled or STUCK_AFTER_SECONDS; answers how they were last seen.

    A live table on a terminal, else a line for each change and the table at the end.
    """
    from rich.live import Live

    console = console_for()
    look = reader_of(yard, [task.id for task in submitted])
    labels = {task.id: case.label for case, task in zip(cases, submitted, strict=True)}
    width = max(map(len, labels.values()))
    started = time.monotonic()
    tasks: Sequence[Task] = submitted
    before: dict[str, tuple[str, int]] = {}
    with Live(console=console, auto_refresh=False) if console.is_terminal else _nothing_live() as live:
        while not all(task.settled for task in tasks) and time.monotonic() - started < STUCK_AFTER_SECONDS:
            tasks = look()
            if live is not None:
                live.update(table(cases, tasks, console.width), refresh=True)
            for task in changed_tasks(tasks, before) if live is None else ():
                at = f"+{time.monotonic() - started:5.1f} s"
                word = status_note(task)
                print(
                    f"{at}  {labels[task.id]:<{width}}  {task.state:<9} try {attempts_text(task)}  {word}".rstrip(),
                    flush=True,
                )
            time.sleep(POLL_SECONDS)
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
    reports: list[str] = []
    try:
        with (
            LocalSystem.start(port=0, report=reports.append, seed=schedule.SEED) as system,
            webhook_receiver() as receiver,
            Taskyard(system.url, system.token() or _admin_session(system)) as yard,
        ):
            how = "with a token of the role admin" if system.token() else "signed by the administrator"
            print(f"It serves {system.url}; each request goes there {how}\n", flush=True)
            wrong = run(yard, system, receiver)
    except (CloudAssemblyError, TaskyardError) as error:
        wrong = [f"the demo ended early: {error}"]
    except KeyboardInterrupt:
        return 130
    if not wrong:
        print("\nEverything ended as expected.")
        return 0
    print("\nNot as expected:", *(f"  {line}" for line in wrong), sep="\n")
    if reports:
        print("\nThe local system reported:", *(f"  {line}" for line in reports), sep="\n")
    return 1


def _admin_session(system: LocalSystem) -> boto3.Session:
    """For a template whose API takes signatures only."""
    return boto3.Session(system.admin.access_key, system.admin.secret, region_name=REGION)


def run(yard: Taskyard, system: LocalSystem, receiver: Receiver) -> list[str]:
    """What was not as expected; empty when all was well."""
    every_minute = schedule.create(yard)
    cases = [*request_cases(), *example_cases(receiver.url)]
    keys = [str(uuid.uuid4()) for _ in cases]
    submitted = [yard.submit_body(case.body, key) for case, key in zip(cases, keys, strict=True)]

    # Sent twice under one key, it is one task.
    twice = next(index for index, case in enumerate(cases) if case.label == "background.json")
    again = yard.submit_body(cases[twice].body, keys[twice])
    one = again.id == submitted[twice].id
    wrong = [] if one else ["background.json: sent twice under one key, became two tasks"]

    # While the task that waits a minute does so.
    wrong += workflow.run_and_show(yard)
    tasks = follow(yard, cases, submitted)
    for case, task in zip(cases, tasks, strict=True):
        wrong += mismatches(case, task)
    mails = system.mail()
    mailed = sum(task.succeeded and task.type in MAIL_TYPES for task in tasks) + workflow.MAILS
    if len(mails) != mailed:
        wrong.append(f"{mailed} tasks and nodes that send mail succeeded, {len(mails)} mails were sent")
    if [status for path, status, _ in receiver.deliveries if path == "/orders"] != [503, 200]:
        wrong.append(f"the webhook receiver saw {receiver.deliveries}")
    _print_summary(cases, tasks, mails, receiver)
    wrong += schedule.show_firing(yard, every_minute)
    if one:
        print("background.json was sent twice under one idempotency key: one task")
    return wrong


def _print_summary(cases: Sequence[Case], tasks: Sequence[Task], mails: Sequence[Mail], receiver: Receiver) -> None:
    counts = Counter(task.state for task in tasks)
    print(f"\n{len(tasks)} tasks: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    for mail in mails:
        print(f"mail to {printable(', '.join(mail.to))}: {printable(mail.subject)}")
    for path, status, body in receiver.deliveries:
        print(f"webhook delivery: {path} {printable(body)} answered with {status}")
    for case, task in zip(cases, tasks, strict=True):
        if case.delay_seconds:
            print(
                f"{case.label}: asked to wait {case.delay_seconds:g} s, "
                f"started {seconds(task.drift_seconds)} after its time"
            )
