"""The visibility of messages in moto's queues, as SQS has it: ReceiveMessage without HTTP, and what becomes visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sqs.models import Message
from moto.sqs.utils import generate_receipt_handle


def receive_messages(queue: Any, count: int, now_ms: float, dead_lettered: Callable[[Any], None]) -> list[Message]:
    """Up to `count` visible messages, as ReceiveMessage: raises their receive count and hides them for the visibility
    timeout. Messages received too often move to the dead-letter queue; those older than the retention are deleted."""
    received: list[Message] = []
    gone: list[Message] = []
    limit = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue else None
    oldest = now_ms - queue.message_retention_period * 1000
    # A group of a FIFO queue waits while one of its messages is being processed, or waits for its next receive.
    groups = {m.group_id for m in queue._messages if m.visible_at > now_ms} if queue.fifo_queue else set()
    for message in queue._messages:
        if queue.fifo_queue and message.group_id in groups:
            continue
        if message.visible_at > now_ms or message.delayed_until > now_ms:
            continue
        if message.sent_timestamp < oldest:
            gone.append(message)
        elif limit is not None and message.approximate_receive_count >= limit:
            gone.append(message)
            queue.dead_letter_queue.add_message(message)
        else:
            message.approximate_receive_count += 1
            message.approximate_first_receive_timestamp = message.approximate_first_receive_timestamp or int(now_ms)
            message.visible_at = now_ms + queue.visibility_timeout * 1000
            if message.receipt_handle:
                message._old_receipt_handles.append(message.receipt_handle)
            message.receipt_handle = generate_receipt_handle()
            received.append(message)
            if len(received) == count:
                break
    for message in gone:
        queue._messages.remove(message)
    if limit is not None and gone:
        dead_lettered(queue.dead_letter_queue)
    return received


def next_visible_ms(queue: Any, now_ms: float) -> float | None:
    """When (epoch ms) the next message that is hidden now becomes visible."""
    hidden = [max(message.visible_at, message.delayed_until) for message in queue._messages]
    return min((at for at in hidden if at > now_ms), default=None)


def has_visible_message(queue: Any, now_ms: float) -> bool:
    return any(m.visible_at <= now_ms and m.delayed_until <= now_ms for m in queue._messages)
