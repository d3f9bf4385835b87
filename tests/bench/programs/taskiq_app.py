"""taskiq on SQS through taskiq-aio-sqs, with its defaults but for receiving in tens."""

import asyncio
import os
import sys
import threading

from notes import work
from taskiq_aio_sqs import SQSBroker

path = os.environ["BENCH_NOTES"]
broker = SQSBroker(
    sqs_queue_name=os.environ["BENCH_LABEL"],
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
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
    if os.environ["BENCH_SETTINGS"] == "batching":
        # Its send buffer is emptied by a task of this loop, which runs all the time, as in an asyncio application.
        threading.Thread(target=loop.run_forever, daemon=True).start()

        def wait(coroutine):
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    else:
        wait = loop.run_until_complete
    producer.serve(lambda tasks, delay: wait(send(tasks, delay)), before=lambda: wait(broker.startup()))
    wait(broker.shutdown())
    sys.exit(0)
