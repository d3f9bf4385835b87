"""What becomes of an exception, whatever its own methods raise."""

from __future__ import annotations

from typing import Any

import pytest
from taskyard.tasks.errors import InDoubt, Permanent, ResultNotStored, Retry

from functions.core.failure import failure_of, short_path
from functions.core.outcomes import Failed

INF = float("inf")


def raised(error: BaseException) -> BaseException:
    """With a traceback."""
    try:
        raise error
    except BaseException as found:
        return found


def odd(base: type[BaseException] = Exception, **members: Any) -> BaseException:
    """An error of a subclass with these members, made without its constructor."""
    made = type("Odd", (base,), members)
    return made.__new__(made)


def raises(*_: Any) -> Any:
    raise ZeroDivisionError


def exits(*_: Any) -> Any:
    raise SystemExit


EVIL = property(exits)


@pytest.mark.parametrize(
    ("base", "members"),
    [
        (Exception, {"__str__": raises}),
        (Exception, {"__str__": exits, "__repr__": exits}),
        (Exception, {"__str__": lambda self: 7}),
        (Exception, {"__notes__": EVIL}),
        (Exception, {"__notes__": [object()]}),
        (Exception, {"__cause__": EVIL}),
        (Exception, {"__context__": EVIL}),
        (Exception, {"__class__": EVIL}),
        (Exception, {"__traceback__": EVIL}),
        (Exception, {"__getattribute__": exits}),
        (Retry, {"after": EVIL}),
        (Permanent, {"__str__": exits}),
        (InDoubt, {}),
        (BaseException, {"__str__": exits}),
        (StopIteration, {}),
        (StopAsyncIteration, {}),
        (GeneratorExit, {}),
        (KeyboardInterrupt, {}),
        (MemoryError, {}),
        (UnicodeDecodeError, {}),
        (SyntaxError, {}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "+".join(value) or "plain",
)
def test_failure_of_any_error_has_its_class(base: type[BaseException], members: dict[str, Any]) -> None:
    failed = failure_of(raised(odd(base, **members)))
    assert failed.error_type == "Odd"
    assert failed.message
    for text in (failed.message, failed.chain or "", failed.traceback or ""):
        text.encode()


@pytest.mark.parametrize("text", ["\ud800", "x" * 1_000_000])
def test_failure_of_any_text_can_be_written(text: str) -> None:
    failed = failure_of(raised(ValueError(text)))
    for kept in (failed.message, str(failed.chain), str(failed.traceback)):
        kept.encode()
    assert len(str(failed.chain)) < 1000
    assert len(str(failed.traceback)) <= 32_000


def test_failure_class_name_is_bounded() -> None:
    assert len(failure_of(type("x" * 100_000, (Exception,), {})()).error_type) == 200


def test_failure_of_an_unprintable_error_says_so() -> None:
    assert "could not be described" in failure_of(odd(__str__=raises)).message


def retry(after: Any) -> Retry:
    made = Retry("busy")
    made.after = after
    return made


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (Retry(after=7), 7),
        (Retry(), None),
        (Retry(after=10**400), INF),
        (retry(-(10**400)), 0.0),
        (retry(float("nan")), None),
        (retry(INF), INF),
        (retry(-5), -5),
        (retry("soon"), None),
        (retry(object()), None),
        (odd(Retry), None),
        (odd(Retry, after=EVIL), None),
        (ExceptionGroup("two", [Retry(after=5), Retry(after=60)]), 60),
        (ExceptionGroup("two", [ValueError(), ExceptionGroup("in", [Retry(after=9)])]), 9),
        (ExceptionGroup("two", [Permanent(), Retry(after=5)]), 5),
        (ValueError(), None),
    ],
)
def test_failure_of_a_retry_waits_for_its_after(error: BaseException, after: float | None) -> None:
    failed = failure_of(error)
    assert (failed.after, failed.permanent) == (after, False)


def nested(*leaves: Exception, depth: int = 3) -> ExceptionGroup[Exception]:
    group = ExceptionGroup("group", list(leaves))
    for _ in range(depth):
        group = ExceptionGroup("group", [group])
    return group


class OddGroup(ExceptionGroup[Exception]):
    exceptions = EVIL  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (Permanent(), True),
        (odd(Permanent, __init__=raises), True),
        (InDoubt("a", 1), True),
        (ResultNotStored("a", "p"), True),
        (ExceptionGroup("g", [Permanent("a"), InDoubt("a", 1)]), True),
        (nested(Permanent()), True),
        (OddGroup("g", [Permanent()]), True),
        (ExceptionGroup("g", [Permanent(), ValueError()]), False),
        (nested(Permanent(), ValueError()), False),
        (BaseExceptionGroup("g", [Permanent(), KeyboardInterrupt()]), False),
        (nested(Permanent(), depth=2000), True),
    ],
)
def test_failure_of_a_group_is_permanent_when_all_of_it_is(error: BaseException, permanent: bool) -> None:
    assert failure_of(error).permanent is permanent


def test_failure_of_a_group_names_its_leaves() -> None:
    failed = failure_of(nested(Permanent("no such customer"), odd(__str__=raises)))  # type: ignore[arg-type]
    assert "Permanent: no such customer; Odd: Odd could not be described" in failed.message


def test_failure_of_groups_that_share_members_is_counted_in_members() -> None:
    group: ExceptionGroup[Exception] = ExceptionGroup("g", [Permanent("the one")])
    for _ in range(60):
        group = ExceptionGroup("g", [group, group])
    assert failure_of(group).message.count("the one") == 1


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("/var/task/functions/tasks/sync.py", "tasks/sync.py"),
        ("/var/lang/lib/python3.13/asyncio/tasks.py", "asyncio/tasks.py"),
        ("/opt/python/pydantic/main.py", "pydantic/main.py"),
        ("/home/me/.venv/lib/python3.11/site-packages/pydantic/main.py", "pydantic/main.py"),
        ("<string>", "<string>"),
    ],
)
def test_failure_chain_has_short_names_of_files(filename: str, name: str) -> None:
    assert short_path(filename) == name


def chained() -> Failed:
    def sync() -> None:
        try:
            {}["customer"]
        except KeyError as error:
            trouble = RuntimeError("sync failed")
            trouble.add_note("of shop 7")
            raise trouble from error

    try:
        sync()
    except RuntimeError as error:
        return failure_of(error)


def test_failure_chain_has_causes_and_notes_oldest_first() -> None:
    lines = [line if " in " not in line else line.rpartition(" in ")[2] for line in str(chained().chain).split("\n")]
    assert lines == [
        "sync",
        "KeyError: 'customer'",
        "which caused",
        "chained",
        "sync",
        "RuntimeError: sync failed",
        "of shop 7",
    ]


def test_failure_chain_has_the_errors_of_a_group() -> None:
    assert "| Permanent: no such customer" in str(failure_of(nested(Permanent("no such customer"), depth=0)).chain)


def test_failure_traceback_is_as_python_formats_it() -> None:
    formatted = str(chained().traceback)
    assert "KeyError: 'customer'" in formatted
    assert "The above exception was the direct cause" in formatted
    assert formatted.endswith("RuntimeError: sync failed\nof shop 7\n")


def test_failure_of_an_endless_recursion_is_bounded() -> None:
    def again() -> None:
        again()

    try:
        again()
    except RecursionError as error:
        failed = failure_of(error)
    assert len(str(failed.chain)) < 1000
    assert len(str(failed.traceback)) <= 32_000
