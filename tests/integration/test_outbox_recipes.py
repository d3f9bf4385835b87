"""The recipes of examples/outbox_*: whatever step a process dies at, each order that is committed has its one task, and
no other order has one. The functions are the real ones; the databases are files of SQLite."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from taskyard import Backoff, Forbidden, Taskyard, TaskyardError

from tests.documents import ROOT
from tests.integration.door import Door
from tests.integration.quick import Quick

EXAMPLES = ROOT / "examples"
MAIL = {"type": "DELAYED_MESSAGE", "payload": {"message": "thank you"}}
INVALID = {"type": "DELAYED_MESSAGE", "payload": {"message": 1}}
AT_ONCE = timedelta()


class Death(BaseException):
    """The process ends here. No `except Exception` sees it."""


@dataclass
class Steps:
    """Counts what a process does. `last`: the number of the step that it does not do any more; 0: it does all."""

    last: int = 0
    done: int = 0

    def step(self) -> None:
        self.done += 1
        if self.done == self.last:
            raise Death


@dataclass
class Wire(httpx.BaseTransport):
    """To the api function. A process may die before it sends a request, and before it has the answer."""

    door: Door
    steps: Steps = field(default_factory=Steps)
    keys: list[str] = field(default_factory=list)
    answer: int = 0
    """The status of every answer, where the function is not reached; 0: it is."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.steps.step()
        self.keys.append(request.headers["idempotency-key"])
        if self.answer:
            return httpx.Response(self.answer, json={"message": "no"})
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers.raw}
        answered = self.door(request.method, request.url.raw_path.decode(), request.read(), headers)
        self.steps.step()
        return httpx.Response(answered.status, headers=answered.headers, content=answered.body)


class Shop(Protocol):
    """An application with orders. Each method is the work of one process."""

    def order(self, *tasks: Any, steps: Steps | None = None) -> None:
        """One order and its tasks, in a transaction."""

    def order_and_roll_back(self) -> None: ...

    def order_in_a_savepoint(self, outer_fails: bool) -> None: ...

    def sweep(self, steps: Steps | None = None) -> int: ...

    def orders(self) -> int: ...

    def refusals(self) -> list[str]:
        """Of each row that is there; empty where there is none yet."""


@dataclass
class SqlAlchemyShop:
    file: Path
    yard: Taskyard
    wire: Wire

    def __post_init__(self) -> None:
        import sqlalchemy as sa

        self.outbox = importlib.import_module("outbox")
        self.sa = sa
        self.table = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
        with self._process() as (engine, _):
            self.outbox.metadata.create_all(engine)
            self.table.metadata.create_all(engine)

    @contextmanager
    def _process(self, steps: Steps | None = None) -> Iterator[tuple[Any, Any]]:
        from sqlalchemy.orm import sessionmaker

        if 0 < self.wire.steps.last == self.wire.steps.done:
            gc.collect()  # what died holds cursors, and they hold locks
        steps = self.wire.steps = steps or Steps()
        engine = self.sa.create_engine(f"sqlite:///{self.file}")
        # Python's driver begins no transaction before a SAVEPOINT: https://docs.sqlalchemy.org/dialects/sqlite.html
        self.sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        self.sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        self.sa.event.listen(engine, "before_cursor_execute", lambda *_: steps.step())
        self.sa.event.listen(engine, "after_cursor_execute", lambda *_: steps.step())
        self.sa.event.listen(engine, "commit", lambda *_: steps.step())
        sessions = sessionmaker(engine)
        relay = self.outbox.Relay(engine, self.yard)
        relay.submit_after_commit(sessions)
        try:
            yield engine, (relay, sessions)
        finally:
            engine.dispose()

    def order(self, *tasks: Any, steps: Steps | None = None) -> None:
        with self._process(steps) as (_, (_, sessions)), sessions.begin() as session:
            session.execute(self.sa.insert(self.table))
            for task in tasks:
                self.outbox.enqueue(session, task)

    def order_and_roll_back(self) -> None:
        with self._process() as (_, (_, sessions)), sessions() as session:
            session.execute(self.sa.insert(self.table))
            self.outbox.enqueue(session, MAIL)
            session.rollback()

    def order_in_a_savepoint(self, outer_fails: bool) -> None:
        with self._process() as (_, (_, sessions)), sessions() as session:
            with session.begin_nested():
                session.execute(self.sa.insert(self.table))
                self.outbox.enqueue(session, MAIL)
            assert self.wire.keys == [], "nothing is committed yet"
            (session.rollback if outer_fails else session.commit)()

    def sweep(self, steps: Steps | None = None) -> int:
        with self._process(steps) as (_, (relay, _)):
            handled: int = relay.sweep(older_than=AT_ONCE)
            return handled

    def orders(self) -> int:
        with self._process() as (engine, _), engine.connect() as connection:
            count: int = connection.scalar(self.sa.select(self.sa.func.count()).select_from(self.table))
            return count

    def refusals(self) -> list[str]:
        with self._process() as (engine, _), engine.connect() as connection:
            return [row or "" for row in connection.scalars(self.sa.select(self.outbox.task_outbox.c.refusal))]


@dataclass
class DjangoShop:
    file: Path
    yard: Taskyard
    wire: Wire

    def __post_init__(self) -> None:
        import django
        from django.conf import settings

        if not settings.configured:
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": self.file}
            settings.configure(DATABASES={"default": database}, INSTALLED_APPS=["task_outbox"], USE_TZ=True)
            django.setup()
        from django.core.management import call_command
        from django.db import connection, transaction

        connection.close()
        connection.settings_dict["NAME"] = self.file
        self.connection, self.transaction = connection, transaction
        self.relay = importlib.import_module("task_outbox.relay")
        self.model = importlib.import_module("task_outbox.models").OutboxTask
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")

    @contextmanager
    def _process(self, steps: Steps | None = None) -> Iterator[None]:
        steps = self.wire.steps = steps or Steps()

        def execute(run: Callable[..., Any], *arguments: Any) -> Any:
            steps.step()
            result = run(*arguments)
            steps.step()
            return result

        try:
            with self.connection.execute_wrapper(execute):
                yield
        finally:
            self.connection.close()

    def _insert(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders DEFAULT VALUES")

    def order(self, *tasks: Any, steps: Steps | None = None) -> None:
        with self._process(steps), self.transaction.atomic():
            self._insert()
            for task in tasks:
                self.relay.enqueue(task)

    def order_and_roll_back(self) -> None:
        with self._process(), self.transaction.atomic():
            self._insert()
            self.relay.enqueue(MAIL)
            self.transaction.set_rollback(True)

    def order_in_a_savepoint(self, outer_fails: bool) -> None:
        with self._process(), self.transaction.atomic():
            with self.transaction.atomic():
                self._insert()
                self.relay.enqueue(MAIL)
            assert self.wire.keys == [], "nothing is committed yet"
            self.transaction.set_rollback(outer_fails)

    def sweep(self, steps: Steps | None = None) -> int:
        with self._process(steps):
            handled: int = self.relay.sweep(self.yard, older_than=AT_ONCE)
            return handled

    def orders(self) -> int:
        with self.connection.cursor() as cursor:
            count: int = cursor.execute("SELECT count(*) FROM orders").fetchone()[0]
            return count

    def refusals(self) -> list[str]:
        return [row.refusal for row in self.model.objects.all()]


@dataclass
class Bed:
    shop: Shop
    wire: Wire
    yard: Taskyard

    def tasks(self) -> int:
        return len(list(self.yard.list()))


MakeBed = Callable[[], Bed]


@pytest.fixture(params=["sqlalchemy", "django"])
def make_bed(
    request: pytest.FixtureRequest, make_quick: Callable[[], Quick], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeBed:
    """Each bed is an empty shop and an empty Taskyard."""
    pytest.importorskip(request.param, reason=f"THE OUTBOX IS NOT TESTED: {request.param} is missing; make setup")
    monkeypatch.setattr(sys, "path", [str(EXAMPLES / f"outbox_{request.param}"), *sys.path])
    kind: Any = {"sqlalchemy": SqlAlchemyShop, "django": DjangoShop}[request.param]
    made: list[Bed] = []

    def make() -> Bed:
        quick = make_quick()
        wire = Wire(Door(quick, quick.clock))
        yard = Taskyard("http://127.0.0.1:1", "none", transport=wire, backoff=Backoff(tries=1))
        made.append(Bed(kind(tmp_path / f"{len(made)}.sqlite", yard, wire), wire, looking(quick)))
        if request.param == "django":
            monkeypatch.setattr(importlib.import_module("task_outbox.relay"), "hasty_yard", lambda: yard)
        return made[-1]

    return make


def looking(quick: Quick) -> Taskyard:
    """A client for the test itself."""

    class Plain(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = Door(quick, quick.clock)(request.method, request.url.raw_path.decode(), request.read())
            return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    return Taskyard("http://127.0.0.1:1", "none", transport=Plain())


@pytest.fixture
def bed(make_bed: MakeBed) -> Bed:
    return make_bed()


def test_order_that_is_committed_has_its_task_at_once(bed: Bed) -> None:
    bed.shop.order(MAIL, MAIL)
    assert (bed.shop.orders(), bed.tasks(), bed.shop.refusals()) == (1, 2, [])


def test_order_that_is_rolled_back_has_no_task(bed: Bed) -> None:
    bed.shop.order_and_roll_back()
    bed.shop.sweep()
    assert (bed.shop.orders(), bed.wire.keys) == (0, [])


@pytest.mark.parametrize("outer_fails", [False, True])
def test_order_in_a_savepoint_has_its_task_after_the_outer_commit_only(bed: Bed, outer_fails: bool) -> None:
    bed.shop.order_in_a_savepoint(outer_fails)
    assert bed.tasks() == bed.shop.orders() == (0 if outer_fails else 1)


def test_process_that_dies_at_any_step_of_an_order_loses_no_task_and_doubles_none(make_bed: MakeBed) -> None:
    outcomes = set()
    for last in range(1, 100):
        bed = make_bed()
        steps = Steps(last)
        try:
            bed.shop.order(MAIL, steps=steps)
        except Death:
            pass
        else:
            break
        handled = bed.shop.sweep()
        assert bed.tasks() == bed.shop.orders(), f"after {last} steps"
        assert bed.shop.refusals() == []
        outcomes.add((bed.shop.orders(), handled, len(bed.wire.keys)))
    assert steps.done < last, "the last process did all its steps"
    # Died before the commit; between commit and request; between request and deletion, so that the key is sent twice.
    assert outcomes >= {(0, 0, 0), (1, 1, 1), (1, 1, 2)}


def test_sweep_that_dies_at_any_step_loses_no_task_and_doubles_none(make_bed: MakeBed) -> None:
    for last in range(1, 100):
        bed = make_bed()
        bed.wire.answer = 503
        bed.shop.order(MAIL, MAIL)
        bed.wire.answer = 0
        steps = Steps(last)
        try:
            bed.shop.sweep(steps)
        except Death:
            pass
        else:
            break
        bed.shop.sweep()
        assert (bed.tasks(), bed.shop.refusals()) == (2, []), f"after {last} steps"
    assert 10 < steps.done < last


def test_order_is_committed_while_the_api_does_not_answer(bed: Bed) -> None:
    bed.wire.answer = 503
    bed.shop.order(MAIL)
    with pytest.raises(TaskyardError):
        bed.shop.sweep()
    assert (bed.shop.orders(), bed.shop.refusals(), bed.tasks()) == (1, [""], 0)
    bed.wire.answer = 0
    assert bed.shop.sweep() == 1
    assert (bed.shop.refusals(), bed.tasks(), len(set(bed.wire.keys))) == ([], 1, 1)


def test_task_that_the_api_can_never_accept_is_kept_with_the_refusal_and_stops_no_other(bed: Bed) -> None:
    bed.shop.order(INVALID, MAIL)
    assert bed.tasks() == 1
    assert bed.shop.sweep() == 0
    assert ["payload.message" in refusal for refusal in bed.shop.refusals()] == [True]


def test_refusal_of_the_caller_keeps_its_tasks(bed: Bed) -> None:
    """A missing grant is mended by a deployment, not by other tasks."""
    bed.wire.answer = 403
    bed.shop.order(MAIL)
    with pytest.raises(Forbidden):
        bed.shop.sweep()
    assert bed.shop.refusals() == [""]


def test_django_enqueue_outside_of_a_transaction_is_an_error(make_bed: MakeBed, request: pytest.FixtureRequest) -> None:
    shop = make_bed().shop
    if not isinstance(shop, DjangoShop):
        return
    with pytest.raises(shop.transaction.TransactionManagementError):
        shop.relay.enqueue(MAIL)
