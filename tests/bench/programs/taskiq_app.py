"""taskiq on SQS through taskiq-aio-sqs, with its defaults but for receiving in tens."""

import asyncio
import os
import sys

from notes import work
from taskiq_aio_sqs import SQSBroker

path = os.environ["BENCH_NOTES"]
broker = SQSBroker(
    sqs_queue_name=os.environ["BENCH_LABEL"],
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key="local",
    max_number_of_messages=10,
    enable_batching=os.environ["BENCH_SETTINGS"] == "batching",
)


@broker.task(task_name="work")
def run(task: str, what: str = "noop", seconds: float = 0.0, filler: str = "", url: str = "") -> None:
    work(path, task, what, seconds, url)


async def send(tasks, delay):
    for task in tasks:
        sender = run.kicker().with_labels(delay=round(delay)) if delay else run
        await sender.kiq(**task)


if __name__ == "__main__":
    import producer

    loop = asyncio.new_event_loop()
    producer.serve(
        lambda tasks, delay: loop.run_until_complete(send(tasks, delay)),
        before=lambda: loop.run_until_complete(broker.startup()),
    )
    loop.run_until_complete(broker.shutdown())
    sys.exit(0)
