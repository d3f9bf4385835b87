"""Patches of moto 5.2.5: for speed, bounded memory and the virtual clock.

Each patch touches private names, so moto is pinned, and tests/unit/test_local_moto_patches.py covers every patch.
The numbers are of one core of a 2-core machine, 200 items in the table.
"""

# mypy: disable-error-code="method-assign, assignment, attr-defined, misc, operator, arg-type"

from __future__ import annotations

import base64
import datetime
import functools
import inspect
import json
import pickle
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import moto
import moto.core.common_models
import moto.core.responses
import moto.core.utils
import moto.dynamodb.models.dynamo_type as dynamo_type
import moto.dynamodb.models.table as dynamo_table
import moto.dynamodb.parsing.ast_nodes as dynamo_ast
import moto.dynamodb.parsing.expressions as dynamo_expressions
import moto.dynamodb.parsing.validators as dynamo_validators
import moto.dynamodb.responses as dynamo_responses
import moto.sqs.models as sqs_models
from moto.core.responses import ActionResult
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models.utilities import bytesize
from moto.sqs.models import Queue

from local.clock import Clock

MOTO_VERSION = "5.2.5"
ITEM_BYTES = 405_000  # moto's own limit for an item, see LimitedSizeDict
_clock: Clock | None = None


def apply(clock: Clock) -> None:
    """Patch moto, once per process; later calls only change the clock."""
    global _clock
    first, _clock = _clock is None, clock
    if not first:
        return
    if moto.__version__ != MOTO_VERSION:
        raise RuntimeError(f"the local runtime is written for moto {MOTO_VERSION}, found {moto.__version__}")
    _patch_clock()
    _patch_instance_tracking()
    _cache_lookups()
    _patch_dynamodb()
    _patch_expressions()
    _patch_sqs()


def _now() -> float:
    assert _clock is not None
    return _clock.now()


def utcnow() -> datetime.datetime:
    return datetime.datetime.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)


def unix_time(dt: datetime.datetime | None = None) -> float:
    return dt.replace(tzinfo=datetime.UTC).timestamp() if dt else _now()


def unix_time_millis(dt: datetime.datetime | None = None) -> float:
    return unix_time(dt) * 1000


def _patch_clock() -> None:
    """moto's modules import the three clock functions by name: rebind them wherever they are (also 10x faster)."""
    originals = {name: getattr(moto.core.utils, name) for name in ("utcnow", "unix_time", "unix_time_millis")}
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("moto."):
            for name, original in originals.items():
                if getattr(module, name, None) is original:
                    setattr(module, name, globals()[name])


def _patch_instance_tracking() -> None:
    """moto keeps every instance of every model for its dashboard: memory would grow for ever."""
    moto.core.common_models.BaseModel.__new__ = lambda cls, *args, **kwargs: object.__new__(cls)


def _cache_lookups() -> None:
    """These reflect over the response class on every call: 0.2 ms."""
    for name in ("method_names_from_class", "camelcase_to_underscores"):
        setattr(moto.core.responses, name, functools.cache(getattr(moto.core.responses, name)))
    sqs_models.camelcase_to_underscores = functools.cache(sqs_models.camelcase_to_underscores)


def _patch_dynamodb() -> None:
    handler = dynamo_responses.DynamoHandler
    parse_parameters, serialized = handler.parse_parameters, handler.serialized
    query, set_item = dynamo_table.Table.query, dynamo_type.LimitedSizeDict.__setitem__

    def parse_json(self: Any, request: Any) -> None:
        """The body is the parameters already, unless it holds binary values. 0.3 ms less."""
        if b'"B' in request.data:
            parse_parameters(self, request)
        else:
            self.params = json.loads(request.data)

    def serialize_json(self: Any, result: ActionResult) -> Any:
        """The result is wire format already, but for binary values and dates. 2 ms less."""
        if isinstance(result, dynamo_responses.DynamoResult) and isinstance(result.result, dict):
            body = json.dumps(result.result, default=_wire_value)
            return 200, {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}, body
        return serialized(self, result)

    signature = inspect.signature(query)

    def query_matching(self: Any, hash_key: Any, *args: Any, **kwargs: Any) -> Any:
        """moto reads and sorts the whole table for each query: give it the items of the hash key only."""
        arguments = signature.bind(self, hash_key, *args, **kwargs).arguments
        whole = self.items
        if not self.range_key_attr:
            return query(self, hash_key, *args, **kwargs)
        if arguments.get("index_name"):
            key_values = {name: (key.type, key.value) for name, key in arguments.get("hash_key_conditions") or ()}
            self.items = {
                hash_key: dict(enumerate(item for item in self.all_items() if has_keys(item.attrs, key_values)))
            }
        else:
            self.items = {hash_key: whole[hash_key]} if hash_key in whole else {}
        try:
            return query(self, hash_key, *args, **kwargs)
        finally:
            self.items = whole

    def has_keys(attributes: Any, key_values: dict[str, Any]) -> bool:
        return all(
            name in attributes and (attributes[name].type, attributes[name].value) == key
            for name, key in key_values.items()
        )

    def all_items(self: Any) -> list[Any]:
        """Unsorted: an index query sorts by the index's own keys, and the order of a scan means nothing."""
        if not self.range_key_attr:
            return list(self.items.values())
        return [item for partition in self.items.values() for item in partition.values()]

    def sorted_items(self: Any, hash_keys: list[str], range_keys: list[str | None], items: list[Any]) -> list[Any]:
        """Comparing moto's values converts them each time: convert each once."""
        names = self._generate_attr_to_sort_by(hash_keys, range_keys)
        return sorted(items, key=lambda item: [item.attrs[name].cast_value for name in names])

    def set_small_item(self: Any, key: str, value: Any) -> None:
        """moto adds up the whole item for each attribute, to refuse items above 400 KB."""
        self.weight = getattr(self, "weight", 0) + bytesize(key) + value.size()
        if self.weight > ITEM_BYTES:
            self.weight = 0  # attributes that were replaced count twice: moto's own check decides
            set_item(self, key, value)
        else:
            dict.__setitem__(self, key, value)

    handler.parse_parameters = parse_json
    handler.serialized = serialize_json
    dynamo_table.Table.query = query_matching
    dynamo_table.Table.sorted_items = sorted_items
    dynamo_table.Table.all_items = all_items
    dynamo_type.LimitedSizeDict.__setitem__ = set_small_item


def _patch_expressions() -> None:
    """moto parses each expression up to three times per call and walks its tree ten times: 3 ms less."""
    parser, lex = dynamo_expressions.UpdateExpressionParser, ConditionExpressionParser._lex_condition_expression

    @functools.lru_cache(maxsize=1024)
    def lex_cached(expression: str) -> tuple[Any, ...]:
        return tuple(lex(ConditionExpressionParser(expression, None, None)))

    is_node = functools.cache(lambda kind: issubclass(kind, dynamo_ast.Node))

    @functools.cache
    def processed_as(kind: type, processed: tuple[type, ...]) -> type | None:
        return next((cls for cls in processed if issubclass(kind, cls)), None)

    def traverse(self: Any, root: Any) -> Any:
        processors = self._processing_map()
        processed = tuple(processors)

        def visit(node: Any, position: int) -> Any:
            kind = type(node)
            if not is_node(kind):
                return node
            parent = node.parent
            for i, child in enumerate(node.children or ()):
                self.pre_processing_of_child(node, i)
                visit(child, i)
            if known := processed_as(kind, processed):
                node = processors[known](node)
                node.parent = parent
                if parent:
                    parent.children[position] = node
            return node

        return visit(root, -1)

    parser.make = functools.lru_cache(maxsize=1024)(parser.make)  # never changed: the validator copies it
    dynamo_validators.deepcopy = lambda tree: pickle.loads(pickle.dumps(tree))  # noqa: S301 - our own bytes
    dynamo_ast.DepthFirstTraverser.traverse = traverse
    ConditionExpressionParser._lex_condition_expression = lambda self: deque(lex_cached(self.condition_expression))


def _wire_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, datetime.datetime):
        return unix_time(value)
    raise TypeError(f"no wire format for {value!r}")


class _QueueAttributes(Mapping[str, Any]):
    """A queue's attributes, each computed when it is read: moto counts all messages three times for each send."""

    def __init__(self, queue: Any, compute: Any) -> None:
        self._queue = queue
        self._compute = compute

    def __getitem__(self, name: str) -> Any:
        if name == "ContentBasedDeduplication":
            if self._queue.fifo_queue:
                return str(self._queue.content_based_deduplication).lower()
            raise KeyError(name)
        return self._compute(self._queue)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._compute(self._queue))

    def __len__(self) -> int:
        return len(self._compute(self._queue))


def _patch_sqs() -> None:
    compute = Queue.attributes.fget

    def get_queue_attributes(self: Any, queue_name: str, attribute_names: list[str]) -> dict[str, Any]:
        """moto computes all attributes anew for each name that is asked for."""
        queue = self.get_queue(queue_name)
        known = ["All", *queue.BASE_ATTRIBUTES, *queue.FIFO_ATTRIBUTES, *queue.KMS_ATTRIBUTES]
        for name in attribute_names:
            if name not in known:
                raise sqs_models.InvalidAttributeName(name)
        attributes = compute(queue) if attribute_names else {}
        return {k: v for k, v in attributes.items() if "All" in attribute_names or k in attribute_names}

    Queue.attributes = property(lambda queue: _QueueAttributes(queue, compute))
    sqs_models.SQSBackend.get_queue_attributes = get_queue_attributes
    sqs_models.SQSBackend.is_message_valid_based_on_retention_period = lambda self, queue_name, message: (
        message.sent_timestamp / 1000 + self.get_queue(queue_name).message_retention_period > _now()
    )
