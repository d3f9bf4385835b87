"""Empties what moto holds, in place: event sources and functions refer to its tables and queues."""

from __future__ import annotations

from local.aws import moto_backends, provisioning
from local.template.stack import TABLES, Stack


def empty(stack: Stack) -> None:
    """Items, messages, objects and schedules are gone; secrets and parameters have the template's values again."""
    for kind in TABLES:
        for name in stack.of_type(kind):
            table = provisioning.table_of(stack.reference(name, "Arn"))
            stream, shard = table.stream_shard, None
            if stream is not None:
                # Nobody hears of it: no task is deleted, there never was one.
                shard, stream.add = stream.add, lambda old, new: None
            for item in table.all_items():
                table.delete_item(item.hash_key, item.range_key)
            if stream is not None:
                stream.add = shard
    for queue in moto_backends.backend("sqs").queues.values():
        queue._messages.clear()
    for bucket in moto_backends.backend("s3").buckets.values():
        bucket.keys.clear()
    for group in moto_backends.backend("scheduler").schedule_groups.values():
        group.schedules.clear()
    moto_backends.backend("secretsmanager").secrets.clear()
    provisioning.provision(stack, stack.of_type("AWS::SSM::Parameter") + stack.of_type("AWS::SecretsManager::Secret"))
