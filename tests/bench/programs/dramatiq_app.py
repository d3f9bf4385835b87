"""dramatiq on SQS, as its documentation sets it up; it has no results unless a store for them is added."""

import os
import sys

import dramatiq
from dramatiq_sqs import SQSBroker
from dramatiq_sqs.exceptions import MessageDelayTooLong
from notes import work
from producer import Refused, serve

path = os.environ["BENCH_NOTES"]
dramatiq.set_broker(
    SQSBroker(
        namespace=os.environ["BENCH_LABEL"],
        dead_letter=True,
        region_name="us-east-1",
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    )
)


@dramatiq.actor(actor_name="work")
def run(task, what="noop", seconds=0.0, filler="", url=""):
    work(path, task, what, seconds, url)


def submit(tasks, delay):
    for task in tasks:
        try:
            run.send_with_options(kwargs=task, delay=round(delay * 1000) or None)
        except MessageDelayTooLong as problem:
            raise Refused(str(problem)) from None


if __name__ == "__main__":
    sys.exit(serve(submit))
