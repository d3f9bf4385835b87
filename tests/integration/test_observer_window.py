"""Outside a tumbling window no shard is named: where there are none, in emulators, the stream is one shard."""

from __future__ import annotations

from typing import Any

from tests.integration.cloud import Cloud, event


def test_a_batch_without_a_shard_is_known_again_like_any_other(aws: Cloud) -> None:
    batch = event("observer", "life")
    del batch["shardId"]
    assert aws.invoke("observer", batch)["batchItemFailures"] == []
    [noted] = journal(aws)
    assert aws.invoke("observer", batch)["batchItemFailures"] == []
    assert journal(aws) == [noted], "counted once"


def journal(aws: Cloud) -> list[dict[str, Any]]:
    return [item for item in aws.items() if item["pk"]["S"] == "JOURNAL"]
