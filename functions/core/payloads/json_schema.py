"""Checks a payload by the JSON Schema of its model, where the model itself cannot be imported.

A pool with packages of its own: only its worker can import its handlers. The other functions know the model by the
JSON Schema in task-types.json. It says what fits less exactly than the model: it has no validators of the model's own
and no formats, and it does not take "5" for a number. The worker checks again, with the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from functions.core.errors import FieldError
from functions.core.field_errors import field_path
from functions.core.payloads.masking import MASK_WHOLE, Mask, SecretRedactor, merge_masks

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

COMBINATIONS = ("allOf", "anyOf", "oneOf")
JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class PayloadSchema:
    """`schema`: JSON Schema as functions/core/payloads/model_schema.py makes it."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validators: dict[int | str, Callable[[Any], Any]] = {}

    def compile(self) -> None:
        """Raises ValueError when no payload can be checked by this schema. The build calls it for every type."""
        import fastjsonschema

        try:
            self._validator(self._schema)
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise ValueError(f"its JSON Schema cannot be compiled: {error}") from error

    def errors(self, payload: Any) -> list[FieldError]:
        """By path, as the model's errors would be: `payload.to[0]`. No message quotes a sensitive value."""
        redactor = SecretRedactor.for_payload(self.mask_for(payload), payload)
        try:
            found = list(self._errors(self._schema, payload, ()))
        except RecursionError:
            return [FieldError("payload", "is nested too deeply")]
        messages: dict[Path, dict[str, None]] = {}
        for path, message in found:
            messages.setdefault(path, {})[redactor.redact_text(message)] = None
        return [FieldError(field_path("payload", *path), " or ".join(texts)) for path, texts in messages.items()]

    # -- errors

    def _errors(self, schema: Schema, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        import fastjsonschema

        try:
            self._validator(schema)(value)
        except fastjsonschema.JsonSchemaValuesException as several:
            for error in several.errors:
                inner_path, inner = resolve_path(error.path[1:], value)
                yield from self._explain(error, inner, (*path, *inner_path))

    def _explain(self, error: Any, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        definition = error.definition
        if error.rule == "required" and isinstance(value, dict):
            yield from (((*path, name), "is required") for name in definition["required"] if name not in value)
        elif error.rule == "additionalProperties" and isinstance(value, dict):
            known = definition.get("properties", {})
            patterns = definition.get("patternProperties", {})
            for name in value:
                if name not in known and not any(re.search(pattern, name) for pattern in patterns):
                    yield (*path, name), "is not a known field"
        elif error.rule == "type" and definition.get("type") == "object":
            yield path, "must be an object"
        elif error.rule in ("anyOf", "oneOf"):
            alternative = self._meant_alternative(definition, definition[error.rule], value)
            errors = [] if alternative is None else list(self._errors(alternative, value, path))
            yield from errors or [(path, "fits none of the alternatives")]
        else:
            yield path, error.message.removeprefix(error.name).strip()

    def _meant_alternative(self, definition: Schema, alternatives: list[Schema], value: Any) -> Schema | None:
        """Of a union: the one whose discriminator the value has, else the only one of its type, else the only one."""
        discriminator = definition.get("discriminator")
        if isinstance(discriminator, dict) and isinstance(value, dict):
            name = value.get(discriminator.get("propertyName"))
            ref = discriminator.get("mapping", {}).get(name) if isinstance(name, str) else None
            if ref is not None:
                return {"$ref": ref}
        of_type = [each for each in alternatives if has_type(self._resolve(each), value)]
        other = [each for each in alternatives if self._resolve(each).get("type") != "null"]
        return next((found[0] for found in (of_type, other) if len(found) == 1), None)

    def _validator(self, schema: Schema) -> Callable[[Any], Any]:
        # By identity, which is safe for parts of the schema: they live as long as this.
        key = schema.get("$ref", id(schema))
        if key not in self._validators:
            import fastjsonschema

            definition = for_fastjsonschema({**schema, "$defs": self._schema.get("$defs", {})})
            self._validators[key] = fastjsonschema.compile(
                definition, use_default=False, use_formats=False, fast_fail=False
            )
        return self._validators[key]

    # -- sensitive parts

    def mask_for(self, payload: Any) -> Mask | None:
        """Of what the schema marks with `writeOnly`. In a union all alternatives count."""
        return self._mask([self._schema], payload) if self._has_sensitive_parts else None

    @cached_property
    def _has_sensitive_parts(self) -> bool:
        return contains_sensitive(self._schema)

    def _mask(self, schemas: list[Schema], value: Any) -> Mask | None:
        if value is None:
            return None
        expanded = list(self._expand(schemas))
        if any(is_sensitive(each) for each in expanded):
            return MASK_WHOLE
        if not isinstance(value, dict | list):
            return None
        masks: dict[str, Mask] = {}
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            mask = None
            for schema in expanded:
                mask = merge_masks(mask, self._member_mask(schema, key, each))
            if mask is not None:
                masks[str(key)] = mask
        return masks or None

    def _member_mask(self, schema: Schema, key: str | int, value: Any) -> Mask | None:
        if isinstance(key, int):
            items = schema.get("prefixItems", [])
            member = items[key] if key < len(items) else schema.get("items")
        else:
            properties = schema.get("properties", {})
            member = properties.get(key, schema.get("additionalProperties"))
            if key not in properties and any(contains_sensitive(each) for each in properties.values()):
                # A model may take a field under another name than its schema says.
                return MASK_WHOLE
            for pattern, each in schema.get("patternProperties", {}).items():
                if re.search(pattern, key):
                    member = each
        return self._mask([member], value) if isinstance(member, dict) else None

    def _expand(self, schemas: list[Schema]) -> Iterator[Schema]:
        """The schemas, and all that they say of the same value by reference or combination."""
        todo, seen = list(schemas), set()
        while todo:
            schema = todo.pop()
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            yield schema
            if "$ref" in schema:
                todo.append(self._resolve(schema))
            for name in COMBINATIONS:
                todo += schema.get(name, ())

    def _resolve(self, schema: Schema) -> Schema:
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            return schema
        found: Schema = self._schema["$defs"][ref.removeprefix("#/$defs/")]
        return found


def resolve_path(parts: list[str], value: Any) -> tuple[Path, Any]:
    """The path in `value`, and what is there. `parts`: of fastjsonschema, which splits names at dots and brackets."""
    path: list[str | int] = []
    at = 0
    while at < len(parts):
        if isinstance(value, list) and parts[at].isdigit() and int(parts[at]) < len(value):
            path.append(int(parts[at]))
            value, at = value[int(parts[at])], at + 1
            continue
        names = [(end, ".".join(parts[at:end])) for end in range(at + 1, len(parts) + 1)]
        found = next(((end, name) for end, name in names if isinstance(value, dict) and name in value), None)
        if found is None:
            break
        at, name = found
        path.append(name)
        value = value[name]
    return tuple(path), value


def has_type(schema: Schema, value: Any) -> bool:
    types = JSON_TYPES.get(schema.get("type", ""), ())
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def is_sensitive(schema: Schema) -> bool:
    """Itself. JSON in a text has no parts that could be masked: in a payload with sensitive parts it counts as one."""
    return schema.get("writeOnly") is True or "contentSchema" in schema


def contains_sensitive(schema: Any) -> bool:
    """Whether any part of it is sensitive, or may be: what a reference leads to is not looked at."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if node.get("writeOnly") is True:
                return True
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return False


def for_fastjsonschema(schema: Any) -> Any:
    """In the words of draft 7, which fastjsonschema reads: pydantic writes tuples in those of 2020-12."""
    if isinstance(schema, list):
        return [for_fastjsonschema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: for_fastjsonschema(each) for name, each in schema.items()}
    if isinstance(made.get("prefixItems"), list):
        if "items" in made:
            made["additionalItems"] = made.pop("items")
        made["items"] = made.pop("prefixItems")
    return made
