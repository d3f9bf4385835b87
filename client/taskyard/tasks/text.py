"""Objects as text, whatever their own methods raise.

`__str__`, `__repr__` and the class of a value that a handler logs or raises are code of the handler's. An error of
theirs never leaves a function of this file: an attempt whose error could not be described would stay RUNNING until its
lease ends.
"""

from __future__ import annotations

CLASS_NAME_LIMIT = 200


def truncate(text: str, limit: int) -> str:
    """At most `limit` characters, and nothing that DynamoDB refuses: half a surrogate pair is no text in UTF-8."""
    shortened = text if len(text) <= limit else text[: limit - 1] + "…"
    return shortened.encode(errors="replace").decode()


def text_of(value: object) -> str:
    """str(value), fit for UTF-8. If that raises: a text that names what it raised."""
    try:
        # Its own copy: str() may return a subclass, with methods of its own.
        return str.__str__(str(value)).encode(errors="replace").decode()
    except BaseException as error:
        return f"{class_name(value)} could not be described: its text raised {class_name(error)}"


def repr_of(value: object) -> str:
    try:
        return text_of(repr(value))
    except BaseException as error:
        return f"<{class_name(value)}, whose repr raised {class_name(error)}>"


def error_text(error: BaseException) -> str:
    """`ClassName: message`."""
    text = text_of(error)
    return f"{class_name(error)}: {text}" if text else class_name(error)


def class_name(value: object) -> str:
    # The name itself: a metaclass may have another in front of it.
    return truncate(str(type.__dict__["__name__"].__get__(type(value))), CLASS_NAME_LIMIT)


def is_instance(value: object, classes: type | tuple[type, ...]) -> bool:
    """As isinstance, which reads `value.__class__`: an object may answer that as it likes."""
    return issubclass(type(value), classes)
