"""Where a payload holds fields that its model marks with `Sensitive()`.

pydantic's SecretStr, SecretBytes and Secret[T] are sensitive by themselves. docs/adr/0018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from taskyard.tasks.sensitive import sensitive_value

from functions.core.payloads.masking import MASK_WHOLE, WILDCARD, Mask, merge_masks

Schema = Mapping[str, Any]
SchemaPosition = tuple[tuple[str | int, ...], Schema]
"""The schema that validates a part of the payload, after the names of an AliasPath that remain until it applies."""

WRAPPERS = ("schema", "json_schema", "python_schema", "lax_schema", "strict_schema", "arguments_schema")
"""Keys under which a schema of pydantic-core holds another schema for the same value."""
SEQUENCE_TYPES = frozenset({"list", "set", "frozenset", "generator"})
NAMED_TYPES = frozenset({"model-fields", "typed-dict", "dataclass-args", "named-tuple", "arguments"})
CONTAINER_TYPES = SEQUENCE_TYPES | NAMED_TYPES | {"tuple", "dict"}


class SensitiveParts:
    """Finds the sensitive parts of values that `schema` (the core_schema of a TypeAdapter) describes."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: dict[str, Schema] = {}
        self._on_path_to_sensitive: set[int] = set()
        self._find_sensitive_schemas()

    def mask_for(self, payload: Any) -> Mask | None:
        """None: nothing in this payload is sensitive. When several alternatives of a union match, all of them count."""
        return (
            self._mask_of_value([((), self._schema)], payload)
            if id(self._schema) in self._on_path_to_sensitive
            else None
        )

    def _mask_of_value(self, states: list[SchemaPosition], value: Any) -> Mask | None:
        if value is None:
            return None
        sensitive, states = self._expand(states)
        if sensitive:
            return MASK_WHOLE
        if not states or not isinstance(value, dict | list):
            return None
        # Members with the same schema share one entry, so that a mask does not grow with the payload.
        alike = all(not rest and schema["type"] in {*SEQUENCE_TYPES, "dict"} for rest, schema in states)
        masks: dict[str, Mask] = {}
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            following = [state for one in states for state in member_positions(one, key)]
            mask = self._mask_of_value(following, each) if following else None
            name = WILDCARD if alike else str(key)
            if (both := merge_masks(masks.get(name), mask)) is not None:
                masks[name] = both
        return masks or None

    def _expand(self, states: list[SchemaPosition]) -> tuple[bool, list[SchemaPosition]]:
        """Whether the value itself is sensitive; if not, the container schemas of it that may hold sensitive parts."""
        containers: list[SchemaPosition] = []
        seen: set[int] = set()
        todo = list(states)
        while todo:
            rest, schema = todo.pop()
            if rest:
                containers.append((rest, schema))
            elif id(schema) in self._on_path_to_sensitive and id(schema) not in seen:
                seen.add(id(schema))
                if schema["type"] in CONTAINER_TYPES and not is_sensitive_schema(schema):
                    containers.append(((), schema))
                    continue
                further = self._alternatives(schema)
                # JSON in a text has no parts that could be masked, and of an unknown kind of schema the sensitive part
                # is unknown: the whole value counts as sensitive.
                if is_sensitive_schema(schema) or schema["type"] == "json" or not further:
                    return True, []
                todo += (((), each) for each in further)
        return False, containers

    def _alternatives(self, schema: Schema) -> list[Schema]:
        if schema["type"] == "definition-ref":
            return [self._definitions[schema["schema_ref"]]]
        return [each for each in alternative_schemas(schema) if id(each) in self._on_path_to_sensitive]

    def _find_sensitive_schemas(self) -> None:
        """Finds the schemas that lead to a sensitive one. The others are skipped for every payload."""
        parents: dict[int, list[int]] = {}
        references: list[tuple[str, int]] = []
        sensitive: list[int] = []
        todo: list[Any] = [self._schema]
        seen: set[int] = set()
        while todo:
            node = todo.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, dict):
                if is_sensitive_schema(node):
                    sensitive.append(id(node))
                if isinstance(ref := node.get("ref"), str):
                    self._definitions[ref] = node
                if node.get("type") == "definition-ref":
                    references.append((node["schema_ref"], id(node)))
            for child in node.values() if isinstance(node, dict) else node:
                if isinstance(child, dict | list | tuple):
                    parents.setdefault(id(child), []).append(id(node))
                    todo.append(child)
        for ref, node_task_id in references:
            parents.setdefault(id(self._definitions[ref]), []).append(node_task_id)
        while sensitive:
            node_task_id = sensitive.pop()
            if node_task_id not in self._on_path_to_sensitive:
                self._on_path_to_sensitive.add(node_task_id)
                sensitive += parents.get(node_task_id, ())


def is_sensitive_schema(schema: Schema) -> bool:
    """By `Sensitive`, or as one of pydantic's own secrets."""
    function = schema.get("function")
    function = function.get("function") if isinstance(function, dict) else None
    if function is None or not str(schema.get("type")).startswith("function-"):
        return False
    if isinstance(function, type):
        from pydantic import SecretBytes, SecretStr

        return issubclass(function, SecretStr | SecretBytes)
    return function is sensitive_value or (
        # Secret[T] validates with functions that it makes for each T.
        function.__module__ == "pydantic.types" and function.__qualname__.startswith("Secret.")
    )


def alternative_schemas(schema: Schema) -> Iterator[Schema]:
    """The schemas for the same value as this one."""
    for name in WRAPPERS:
        if isinstance(schema.get(name), dict):
            yield schema[name]
    choices = schema.get("choices", ())
    for choice in choices.values() if isinstance(choices, dict) else choices:
        # A choice of a union may come with its label.
        yield choice[0] if isinstance(choice, tuple) else choice
    yield from schema.get("steps", ())


def member_positions(state: SchemaPosition, key: str | int) -> Iterator[SchemaPosition]:
    """The schemas that validate the member `key` of a value in `state`."""
    rest, schema = state
    if rest:
        if rest[0] == key:
            yield rest[1:], schema
        return
    kind = schema["type"]
    if kind in NAMED_TYPES:
        known = False
        for at, (name, field) in enumerate(schema_fields(schema)):
            # Named tuples may be given as lists.
            for path in [*field_paths(name, field), (at,)]:
                if path[0] == key:
                    known = True
                    yield path[1:], field["schema"]
        if not known and isinstance(extras := schema.get("extras_schema"), dict):
            yield (), extras
    elif kind == "dict" and isinstance(key, str):
        if "values_schema" in schema:
            yield (), schema["values_schema"]
    elif kind == "tuple" and isinstance(key, int):
        items = schema["items_schema"]
        if schema.get("variadic_item_index") is not None:
            yield from (((), item) for item in items)
        elif key < len(items):
            yield (), items[key]
    elif kind in SEQUENCE_TYPES and isinstance(key, int) and "items_schema" in schema:
        yield (), schema["items_schema"]


def schema_fields(schema: Schema) -> Iterator[tuple[str, Schema]]:
    fields = schema.get("fields", schema.get("arguments_schema", ()))
    return iter(fields.items()) if isinstance(fields, dict) else ((field["name"], field) for field in fields)


def field_paths(name: str, field: Schema) -> list[tuple[str | int, ...]]:
    """All paths under which the field may be given, its own name included: a model may accept both."""
    alias = field.get("validation_alias", field.get("alias"))
    if alias is None:
        return [(name,)]
    if isinstance(alias, str):
        return [(name,), (alias,)]
    paths = alias if isinstance(alias[0], list) else [alias]
    return [(name,), *(tuple(path) for path in paths)]
