"""boto3's DynamoDB client, as far as the functions speak it, on moto's own table: no HTTP, no botocore, no lock.

What is plain is done on moto's table directly, the rest goes through moto's request handler. Two things are remembered,
because moto works them out anew in 2 ms: a condition's syntax tree (the values of the next call are put into it) and an
update expression that moto has validated and that consists of nothing but plain assignments, sums, removals and set
members. `test_dynamodb.py` holds all of it against boto3 with `mock_aws`.
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
from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict
from moto.dynamodb.models.dynamo_type import Item as MotoItem
from moto.dynamodb.responses import DynamoHandler

Item = dict[str, Any]
Write = Callable[[str, Item | None, Item | None], None]
"""Called after each write that landed: operation, the item before, the item after."""

CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE)\b")
ASSIGN = re.compile(r"^([#\w]+)\s*=\s*(?:([#\w]+)\s*\+\s*)?(:\w+)$")
UNLESS_THERE = re.compile(r"^([#\w]+)\s*=\s*if_not_exists\(\s*\1\s*,\s*(:\w+)\s*\)$")
MEMBER = re.compile(r"^([#\w]+)\s+(:\w+)$")
PARTITION = re.compile(r"^pk\s*=\s*(:\w+)")
BEGINNING = re.compile(r"^pk = (:\w+)(?: AND begins_with\(sk, (:\w+)\))?$")
NAME = re.compile(r"^[#\w]+$")
COMMA = re.compile(r",(?![^(]*\))")
QUERIED = frozenset(
    {
        "TableName",
        "KeyConditionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
        "ProjectionExpression",
        "ConsistentRead",
    }
)
PLAIN = frozenset({"S", "N", "B", "BOOL", "SS"})

Program = list[tuple[str, str, str | None, str]]
"""An update: clause, attribute, summand, value, as they are written in the expression."""


class ConditionalCheckFailedException(ClientError):
    pass


class Key(DynamoType):
    """Half of a key: as moto's own, hashed and compared a good deal faster."""

    def __init__(self, value: str) -> None:
        self.type = "S"
        self.value = value

    def __hash__(self) -> int:
        return hash(("S", self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DynamoType) and bool(self.value == other.value)


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
        self._delete_item({"Key": key})
        return before

    # -- the client

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """`operation` in snake case. Raises ClientError as boto3 would."""
        if operation in ("put_item", "update_item", "delete_item"):
            key = arguments["Key"] if "Key" in arguments else arguments["Item"]
            found = self._found(key)
            before = plain(found) if found is not None else None
            answer = getattr(self, f"_{operation}")(arguments)
            if self.write is not None:
                found = self._found(key)
                self.write(operation, before, plain(found) if found is not None else None)
            return answer
        if operation == "get_item" and arguments.keys() <= {"TableName", "Key", "ConsistentRead"}:
            found = self._found(arguments["Key"])
            return {} if found is None else {"Item": plain(found)}
        if operation == "batch_get_item":
            return self._batch_get_item(arguments)
        if operation == "query" and "IndexName" not in arguments:
            return self._partition(arguments)
        return self._moto(operation, arguments)

    def _put_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        item, condition = arguments["Item"], arguments.get("ConditionExpression")
        if not all(
            len(value) == 1 and PLAIN.issuperset(value) and all(inner != [] for inner in value.values())
            for value in item.values()
        ):
            return self._moto("put_item", arguments)
        found = self._found(item)
        if condition and not self._holds(
            condition,
            arguments.get("ExpressionAttributeNames") or {},
            arguments.get("ExpressionAttributeValues") or {},
            found,
        ):
            all_old = arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise refused("put_item", plain(found) if all_old and found is not None else None)
        self._store(item)
        return {}

    def _store(self, item: Item) -> Any:
        """moto's own constructor adds up the size of all attributes at each."""
        made = MotoItem.__new__(MotoItem)
        made.hash_key, made.range_key = Key(item["pk"]["S"]), Key(item["sk"]["S"])
        made.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
        for name, value in item.items():
            dict.__setitem__(made.attrs, name, DynamoType(value))
        self.table.items[made.hash_key][made.range_key] = made
        return made

    def _delete_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if "ConditionExpression" in arguments:
            return self._moto("delete_item", arguments)
        self.table.delete_item(Key(arguments["Key"]["pk"]["S"]), Key(arguments["Key"]["sk"]["S"]))
        return {}

    def _batch_get_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        ((name, asked),) = arguments["RequestItems"].items()
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in asked["Keys"]]
        if name != self.name or not 0 < len(keys) <= 100 or len(set(keys)) != len(keys):
            return self._moto("batch_get_item", arguments)
        found = filter(None, map(self._found, asked["Keys"]))
        return {"Responses": {name: [plain(item) for item in found]}, "UnprocessedKeys": {}}

    def _partition(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """moto sorts the whole table for a query of one partition: it is shown that partition only."""
        plainly = BEGINNING.match(arguments.get("KeyConditionExpression") or "")
        if plainly is not None and arguments.keys() <= QUERIED:
            return self._beginning(arguments, *plainly.groups())
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

    def _beginning(self, arguments: dict[str, Any], pk: str, sk: str | None) -> dict[str, Any]:
        values = arguments["ExpressionAttributeValues"]
        start = values[sk]["S"] if sk else ""
        names = arguments.get("ExpressionAttributeNames") or {}
        shown = [names.get(name, name) for name in (arguments.get("ProjectionExpression") or "").split(", ") if name]
        partition = self.table.items.get(Key(values[pk]["S"])) or {}
        items = sorted(
            (plain(item) for item in partition.values() if item.range_key.value.startswith(start)),
            key=lambda item: str(item["sk"]["S"]),
        )
        if shown:
            items = [{name: item[name] for name in shown if name in item} for item in items]
        return {"Items": items}

    def _moto(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.handler.body = arguments
        self.handler.params = arguments
        try:
            result = getattr(self.handler, operation)().result
        except Exception as error:
            raise translated(error, operation) from None
        return result if isinstance(result, dict) else {}

    def _found(self, key: Item) -> Any:
        return (self.table.items.get(Key(key["pk"]["S"])) or {}).get(Key(key["sk"]["S"]))

    def _update_item(self, arguments: dict[str, Any]) -> dict[str, Any]:
        names = arguments.get("ExpressionAttributeNames") or {}
        values = arguments.get("ExpressionAttributeValues") or {}
        known = (arguments.get("UpdateExpression"), *names, "|", *values)
        condition = arguments.get("ConditionExpression")
        program = self._updates.get((known, condition))
        item = self._found(arguments["Key"])
        if program is not None and condition and not self._holds(condition, names, values, item):
            all_old = arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
            raise refused("update_item", plain(item) if all_old and item is not None else None)
        there = item.attrs if item is not None else {}
        if (
            program is None
            or arguments.get("ReturnValues") not in (None, "NONE", "ALL_NEW")
            or any(summand is not None and names.get(summand, summand) not in there for _, _, summand, _ in program)
        ):
            answer = self._moto("update_item", arguments)
            if program is None:
                self._updates[known, condition] = compiled(arguments)
            return answer
        if item is None:
            item = self._store(arguments["Key"])
        self._execute(program, names, values, item)
        return {"Attributes": plain(item)} if arguments.get("ReturnValues") == "ALL_NEW" else {}

    def _holds(self, expression: str, names: dict[str, str], values: Item, item: Any) -> bool:
        key = (expression, *(each for each in names.items() if each[0] in expression))
        if key not in self._conditions:
            # Each value is parsed as a mark that identifies it in the tree.
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
            if kind == "UNLESS THERE":
                news[name] = attrs[name] if name in attrs else DynamoType(values[value])
            elif kind == "SET":
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
        for action in (part.strip() for part in COMMA.split(body)):
            if clause == "SET" and (found := ASSIGN.match(action)):
                name, summand, value = found.groups()
                program.append((clause, name, summand, value))
            elif clause == "SET" and (found := UNLESS_THERE.match(action)):
                program.append(("UNLESS THERE", found[1], None, found[2]))
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
        if type(kept) is str:
            copied[name] = {value.type: kept}
        elif value.is_set():
            copied[name] = {value.type: list(kept)}
        else:
            copied[name] = value.to_regular_json() if isinstance(kept, dict | list) else {value.type: kept}
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
