"""The demo's schedule: every minute. Its first time comes while the task that waits a minute does so."""

import time
from datetime import UTC, datetime

from taskyard import Schedule, Taskyard
from taskyard.cli.text import time_text

# A seed with which Scheduler is one or two seconds late within its minute, not up to sixty.
SEED = 8916
# Seconds, after everything else has ended, for the firing and its task.
WAIT_SECONDS = 25.0
POLL_SECONDS = 0.25


def create(yard: Taskyard) -> Schedule:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "another minute has gone by"}}
    # From the minute that runs now on: so the first time is the next full minute.
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    made = yard.schedules.create(task, rate="1 minute", start_at=now, name="every minute", overlap="skip")
    print(f"A schedule, every minute; it is due at {', '.join(time_text(at)[:8] for at in made.next_times[:3])}, …\n")
    return made


def show_firing(yard: Taskyard, made: Schedule) -> list[str]:
    """Waits until it has fired, then deletes it; what was not as expected, empty when all was well."""
    until = time.monotonic() + WAIT_SECONDS
    while (found := yard.schedules.get(made.id)).last_task_id is None and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    yard.schedules.delete(made.id)
    if found.last_task_id is None:
        return [f"the schedule was due at {time_text(made.next_times[0])} and has not fired"]
    task = yard.wait(found.last_task_id, timeout=WAIT_SECONDS)
    print(
        f"the schedule fired at {time_text(found.last_fired_at)} for {time_text(found.last_scheduled_at)}: "
        f"task {task.id} {task.state}"
    )
    return [] if task.succeeded else [f"the schedule's task: {task.state} instead of SUCCESS"]
