"""Tasks that are submitted if, and only if, a transaction commits: a table of the application, and what empties it.

`enqueue` writes a row in the application's transaction. After the commit, `Relay` submits the task with the key of the
row and deletes the row. A process that ends before the deletion leaves the row: the next sweep submits it again, with
the same key, which is the same task.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
from taskyard import InvalidRequest, Taskyard, TooLarge

log = logging.getLogger(__name__)
metadata = sa.MetaData()
task_outbox = sa.Table(
    "task_outbox",
    metadata,
    sa.Column("key", sa.String(36), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False, index=True),  # UTC
    sa.Column("refusal", sa.Text),  # why the API can never accept the body: somebody has to look
)
_KEYS = "task_outbox_keys"


def enqueue(session: Session, task: Mapping[str, Any]) -> str:
    """The task is submitted after the commit of this session's transaction. Returns its idempotency key.

    task: the body of POST /tasks. Give `runAt`, not `delaySeconds`, which counts from the submit.
    """
    key = str(uuid.uuid4())
    row = {"key": key, "body": json.dumps(task), "created_at": _now()}
    session.execute(sa.insert(task_outbox).values(row))
    session.info.setdefault(_KEYS, []).append(key)
    return key


class Relay:
    """Submits what is in the table. It reads through connections of its own, so it sees committed rows only. Several
    relays at once do no harm: a key is one task, however often it is submitted."""

    def __init__(self, engine: sa.Engine, yard: Taskyard) -> None:
        self._engine, self._yard = engine, yard

    def submit_after_commit(self, sessions: sessionmaker[Session]) -> None:
        """Sessions of that factory submit their tasks as soon as they have committed."""
        sa.event.listen(sessions, "after_transaction_end", self._after_transaction)

    def sweep(self, *, older_than: timedelta = timedelta(seconds=30), limit: int = 1000) -> int:
        """Submits what a process left behind, oldest first. Returns the number of rows that were handled.

        Raises TaskyardError when the API does not answer or does not accept now: the rows stay for the next sweep.
        """
        due = sa.select(task_outbox.c.key).where(
            task_outbox.c.refusal.is_(None), task_outbox.c.created_at <= _now() - older_than
        )
        with self._engine.connect() as connection:
            keys = connection.scalars(due.order_by(task_outbox.c.created_at).limit(limit)).all()
        for key in keys:
            self._submit(key)
        return len(keys)

    def _after_transaction(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:
            return  # a savepoint: nothing is committed yet
        for key in session.info.pop(_KEYS, ()):
            try:
                self._submit(key)
            except Exception:
                # The transaction is committed: its caller must not see an error. The sweep submits the task.
                log.exception("the task %s is submitted by the next sweep", key)

    def _submit(self, key: str) -> None:
        this = task_outbox.c.key == key
        with self._engine.connect() as connection:
            body = connection.scalar(sa.select(task_outbox.c.body).where(this))
        if body is None:
            return  # rolled back, or submitted by another relay
        end: sa.Delete | sa.Update = sa.delete(task_outbox).where(this)
        try:
            self._yard.submit_body(body.encode(), idempotency_key=key)
        except (InvalidRequest, TooLarge) as error:
            log.error("the task %s is refused: %s", key, error)
            end = sa.update(task_outbox).where(this).values(refusal=str(error))
        with self._engine.begin() as connection:
            connection.execute(end)


def _now() -> datetime:
    """UTC without a zone: SQLite and MySQL store none."""
    return datetime.now(UTC).replace(tzinfo=None)
