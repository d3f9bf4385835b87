"""The DynamoDB table: results of conditional writes as values, failures of AWS as errors of core."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from functions.aws.transient_errors import translate_transient_errors
from functions.store.keys import Key
from functions.store.records import Item

NAME_ALIAS = re.compile(r"#(\w+)")


class Updated(NamedTuple):
    """The item as it is after the write (empty after a put)."""

    item: Item


class ConditionFailed(NamedTuple):
    """The condition did not hold for this item (None: there is no item)."""

    item: Item | None


class Table:
    """`client`: boto3's low-level DynamoDB client. Each method raises StoreUnavailable for transient failures."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def get(self, key: Key) -> Item | None:
        """A consistent read: decisions depend on it."""
        with translate_transient_errors("DynamoDB"):
            return self.client.get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")  # type: ignore[no-any-return]

    def put(self, item: Item, *, if_absent: bool) -> Updated | ConditionFailed:
        condition: dict[str, Any] = (
            {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
            if if_absent
            else {}
        )
        with translate_transient_errors("DynamoDB"):
            try:
                self.client.put_item(TableName=self.name, Item=item, **condition)
            except self.client.exceptions.ConditionalCheckFailedException as refused:
                return ConditionFailed(refused.response.get("Item"))
        return Updated(item)

    def update(
        self, key: Key, update: str, *, condition: str, values: Item, names: dict[str, str] | None = None
    ) -> Updated | ConditionFailed:
        arguments: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        # `state`, `log`, `result` and `token` are reserved words of DynamoDB: an expression writes them as `#state` …
        aliases = {f"#{name}": name for name in NAME_ALIAS.findall(f"{update} {condition}")} | (names or {})
        if aliases:
            arguments["ExpressionAttributeNames"] = aliases
        with translate_transient_errors("DynamoDB"):
            try:
                answer = self.client.update_item(
                    TableName=self.name,
                    Key=key,
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **arguments,
                )
            except self.client.exceptions.ConditionalCheckFailedException as refused:
                return ConditionFailed(refused.response.get("Item"))
        return Updated(answer["Attributes"])

    def delete(self, key: Key, **condition: Any) -> bool:
        """False when the condition (ConditionExpression and what it names) did not hold."""
        with translate_transient_errors("DynamoDB"):
            try:
                self.client.delete_item(TableName=self.name, Key=key, **condition)
            except self.client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def query(self, **arguments: Any) -> Iterator[Item]:
        """Items of all pages. A page is read when it is needed."""
        start: dict[str, Any] = {}
        while True:
            with translate_transient_errors("DynamoDB"):
                page = self.client.query(TableName=self.name, **arguments, **start)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def get_items(self, keys: Iterable[Key], *, consistent: bool = False) -> list[Item]:
        """The items that exist, in no order."""
        remaining, items = list(keys), []
        while remaining:
            # AWS: at most 100 keys a call. Keys that it had no capacity for come back as unprocessed.
            batch, remaining = remaining[:100], remaining[100:]
            with translate_transient_errors("DynamoDB"):
                answer = self.client.batch_get_item(
                    RequestItems={self.name: {"Keys": batch, "ConsistentRead": consistent}}
                )
            items += answer["Responses"].get(self.name, [])
            remaining += answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
        return items
