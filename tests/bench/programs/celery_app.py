"""Celery on SQS with results in DynamoDB. BENCH_SETTINGS: `default`, or `recommended` where no task may be lost,
with BENCH_VISIBILITY, seconds."""

import os
import sys
from urllib.parse import urlsplit

from celery import Celery, chord
from notes import work

endpoint = os.environ["AWS_ENDPOINT_URL"]
address = urlsplit(endpoint).netloc
key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
label, path = os.environ["BENCH_LABEL"], os.environ["BENCH_NOTES"]
app = Celery("bench")
app.conf.update(
    broker_url=f"sqs://{key}:{secret}@{address}//",
    broker_transport_options={"region": "us-east-1", "is_secure": False, "queue_name_prefix": f"{label}-"},
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,  # not with SQS, says Celery's documentation
    # Its credentials from the environment, as from a role: given here, the client is made before the workers are
    # forked, which then share one connection and wait a minute for each other's answers.
    result_backend=f"dynamodb://@us-east-1/{label}",
    dynamodb_endpoint_url=endpoint,
)
if os.environ["BENCH_SETTINGS"] == "recommended":
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=True,
        broker_transport_options={
            **app.conf.broker_transport_options,
            "visibility_timeout": int(os.environ["BENCH_VISIBILITY"]),
        },
    )


IDS = {}


@app.task(name="work")
def run(task, what="noop", seconds=0.0, filler="", url=""):
    work(path, task, what, seconds, url)


def submit(tasks, delay):
    for task in tasks:
        IDS[task["task"]] = run.apply_async(kwargs=task, countdown=delay or None).id


def cancel(tasks):
    app.control.revoke([IDS[task] for task in tasks])


def join(tasks, last):
    chord([run.s(**task) for task in tasks])(run.si(**last))


if __name__ == "__main__":
    import producer

    sys.exit(producer.serve(submit, cancel=cancel, join=join))
