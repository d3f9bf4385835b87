"""boto3's DynamoDB client, as far as the functions speak it, on moto's own table: no HTTP, no botocore, no lock.

Every call goes through moto's request handler. Two things are remembered, because moto works them out anew in 2 ms:
a condition's syntax tree (the values of the next call are put into it) and an update expression that moto has
validated and that consists of nothing but plain assignments, sums, removals and set members.
`test_simulation_clients.py` holds all of it against boto3 with `mock_aws`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError
from moto.dynamodb.comparisons import AttributeValue, ConditionExpressionParser
from moto.dynamodb.exceptions import ConditionalCheckFailed
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.dynamo_type import Item as MotoItem
from moto.dynamodb.responses import DynamoHandler

Item = dict[str, Any]
Write = Callable[[str, Item | None, Item | None], None]
"""Called after each write that landed: operation, the item before, the item after."""

CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE)\b")
ASSIGN = re.compile(r"^([#\w]+)\s*=\s*(?:([#\w]+)\s*\+\s*)?(:\w+)$")
MEMBER = re.compile(r"^([#\w]+)\s+(:\w+)$")
PARTITION = re.compile(r"^pk\s*=\s*(:\w+)")
NAME = re.compile(r"^[#\w]+$")

Program = list[tuple[str, str, str | None, str]]
"""An update: clause, attribute, summand, value, as they are written in the expression."""


class ConditionalCheckFailedException(ClientError):
    pass


class Handler(DynamoHandler):
    """moto's request handler, on a backend of our own."""

    backend: DynamoDBBackend

    @property
    def dynamodb_backend(self) -> DynamoDBBackend:
        return self.backend


class DynamoDB:
    def __init__(self, table: dict[str, Any], write: Write | None = None) -> None:
        """`table`: as CreateTable takes it."""
        self.handler = Handler()
        self.handler.backend = DynamoDBBackend("us-east-1", "123456789012")
        self.name = table["TableName"]
        self.write = write
        self._conditions: dict[Any, tuple[Any, list[tuple[AttributeValue, str]]]] = {}
        self._updates: dict[Any, Program | None] = {}
        self._moto("create_table", table)
        self.table = self.handler.backend.tables[self.name]

    def clear(self) -> None:
        self.table.items.clear()
        # moto keeps every item that there ever was, for its dashboard.
        MotoItem.instances_tracked.clear()

    # -- what a test looks at

    def item(self, pk: str, sk: str) -> Item | None:
        found = self._found({"pk": {"S": pk}, "sk": {"S": sk}})
        return plain(found) if found is not None else None

    def items(self) -> Iterator[Item]:
        for partition in self.table.items.values():
            for item in partition.values():
                yield plain(item)

    def expire(self, key: Item) -> Item | None:
        """What TTL does, behind everybody's back."""
        found = self._found(key)
        before = plain(found) if found is not None else None
        self._moto("delete_item", {"TableName": self.name, "Key": key})
        return before

    # -- the client

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """`operation` in snake case. Raises ClientError as boto3 would."""
        if operation in ("put_item", "update_item", "delete_item"):
            key = arguments["Key"] if "Key" in arguments else arguments["Item"]
            found = self._found(key)
            before = plain(found) if found is not None else None
            answer = self._update(arguments) if operation == "update_item" else self._moto(operation, arguments)
            if self.write is not None:
                found = self._found(key)
                self.write(operation, before, plain(found) if found is not None else None)
            return answer
        if operation == "get_item" and arguments.keys() <= {"TableName", "Key", "ConsistentRead"}:
            found = self._found(arguments["Key"])
            return {} if found is None else {"Item": plain(found)}
        if operation == "query" and "IndexName" not in arguments:
            return self._partition(arguments)
        return self._moto(operation, arguments)

    def _partition(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """moto sorts the whole table for a query of one partition: it is shown that partition only."""
        found = PARTITION.match(arguments.get("KeyConditionExpression") or "")
        if found is None:
            return self._moto("query", arguments)
        wanted = DynamoType(arguments["ExpressionAttributeValues"][found[1]])
        whole = self.table.items
        self.table.items = type(whole)(whole.default_factory)
        if wanted in whole:
            self.table.items[wanted] = whole[wanted]
        try:
            return self._moto("query", arguments)
        finally:
            self.table.items = whole

    def _moto(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.handler.body = arguments
        self.handler.params = arguments
        try:
            result = getattr(self.handler, operation)().result
        except Exception as error:
            raise translated(error, operation) from None
        return result if isinstance(result, dict) else {}

    def _found(self, key: Item) -> Any:
        return self.table.get_item(DynamoType(key["pk"]), DynamoType(key["sk"]))

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        names = arguments.get("ExpressionAttributeNames") or {}
        values = arguments.get("ExpressionAttributeValues") or {}
        known = (arguments.get("UpdateExpression"), *names, "|", *values)
        condition = arguments.get("ConditionExpression")
        program = self._updates.get((known, condition))
        item = self._found(arguments["Key"])
        if item is None and program is not None and condition and not self._holds(condition, names, values, None):
            raise refused("update_item", None)
        if (
            program is None
            or item is None
            or arguments.get("ReturnValues") not in (None, "NONE", "ALL_NEW")
            or any(
                summand is not None and names.get(summand, summand) not in item.attrs for _, _, summand, _ in program
            )
        ):
            answer = self._moto("update_item", arguments)
            if program is None and item is not None:
                self._updates[known, condition] = compiled(arguments)
            return answer
        if condition and not self._holds(condition, names, values, item):
            all_old = arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise refused("update_item", plain(item) if all_old else None)
        self._execute(program, names, values, item)
        return {"Attributes": plain(item)} if arguments.get("ReturnValues") == "ALL_NEW" else {}

    def _holds(self, expression: str, names: dict[str, str], values: Item, item: Any) -> bool:
        key = (expression, *(each for each in names.items() if each[0] in expression))
        if key not in self._conditions:
            # Each value is parsed as a mark that tells, in the tree, which value it was.
            marks = {name: {name: name} for name in values}
            tree = ConditionExpressionParser(expression, names, marks).parse()
            self._conditions[key] = (tree, [(node, node.type) for node in attribute_values(tree)])
        tree, nodes = self._conditions[key]
        for node, name in nodes:
            ((node.type, node.value),) = values[name].items()
        return bool(tree.expr(item))

    @staticmethod
    def _execute(program: Program, names: dict[str, str], values: Item, item: Any) -> None:
        attrs = item.attrs
        news: dict[str, Any] = {}
        for kind, written, summand, value in program:
            name = names.get(written, written)
            if kind == "SET":
                new = DynamoType(values[value])
                news[name] = new if summand is None else attrs[names.get(summand, summand)] + new
            elif kind == "ADD" and "N" in values[value]:
                news[name] = attrs[name] + DynamoType(values[value]) if name in attrs else DynamoType(values[value])
            elif kind in ("ADD", "DELETE"):
                ((type_, members),) = values[value].items()
                there = attrs[name].value if name in attrs else []
                left = (
                    [*there, *(m for m in members if m not in there)]
                    if kind == "ADD"
                    else [m for m in there if m not in members]
                )
                news[name] = DynamoType({type_: left}) if left else None
            else:
                news[name] = None
        for name, new in news.items():
            if new is not None:
                dict.__setitem__(attrs, name, new)
            else:
                attrs.pop(name, None)


def compiled(arguments: dict[str, Any]) -> Program | None:
    """None when moto has to do it."""
    program: Program = []
    pieces = CLAUSE.split(arguments.get("UpdateExpression") or "")[1:]
    for clause, body in zip(pieces[::2], pieces[1::2], strict=True):
        for action in (part.strip() for part in body.split(",")):
            if clause == "SET" and (found := ASSIGN.match(action)):
                name, summand, value = found.groups()
                program.append((clause, name, summand, value))
            elif clause in ("ADD", "DELETE") and (found := MEMBER.match(action)):
                program.append((clause, found[1], None, found[2]))
            elif clause == "REMOVE" and NAME.match(action):
                program.append((clause, action, None, ""))
            else:
                return None
    return program or None


def attribute_values(node: Any) -> Iterator[AttributeValue]:
    """Every value in moto's condition tree."""
    if isinstance(node, AttributeValue):
        yield node
        return
    for child in (getattr(node, "lhs", None), getattr(node, "rhs", None), *getattr(node, "arguments", ())):
        if child is not None:
            yield from attribute_values(child)


def plain(item: Any) -> Item:
    """The item as a client gets it. Nothing in it is shared with the table."""
    copied: Item = {}
    for name, value in item.attrs.items():
        kept = value.value
        copied[name] = (
            {value.type: list(kept)}
            if value.is_set()
            else value.to_regular_json()
            if isinstance(kept, dict | list)
            else {value.type: kept}
        )
    return copied


def translated(error: Exception, operation: str) -> Exception:
    """moto's exception as the ClientError that boto3 makes of it."""
    code = str(getattr(error, "relative_error_type", "") or getattr(error, "code", "")).rpartition("#")[2]
    if not code or not (hasattr(error, "error_type") or hasattr(error, "code")):
        return error
    if isinstance(error, ConditionalCheckFailed):
        return refused(operation, with_bytes(json.loads(error.description).get("Item")))
    return ClientError({"Error": {"Code": code, "Message": getattr(error, "message", str(error))}}, camel(operation))


def refused(operation: str, item: Item | None) -> ConditionalCheckFailedException:
    error = {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    return ConditionalCheckFailedException({"Error": error} | ({"Item": item} if item else {}), camel(operation))


def with_bytes(value: Any) -> Any:
    """moto writes binary values as base64 into the answer of a refusal; boto3 reads them."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(inner) if name == "B" and isinstance(inner, str) else with_bytes(inner)
            for name, inner in value.items()
        }
    return value


def camel(operation: str) -> str:
    return "".join(word.title() for word in operation.split("_"))
