"""The fixture `yard`, with this repository's own app as the user's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from taskyard import NotFound
from taskyard.testing.pytest import running_yard, yard
from taskyard.testing.yard import Yard, YardApp, YardFailed

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("yard")]
ROOT = Path(__file__).resolve().parents[2]
__all__ = ["running_yard", "yard"]


@pytest.fixture(scope="session")
def yard_app() -> YardApp:
    return YardApp(folder=ROOT)


def test_yard_task_due_in_thirty_days_runs_when_they_have_passed(yard: Yard) -> None:
    task = yard.submit("DELAYED_MESSAGE", {"message": "hello"}, delay=timedelta(days=30))
    yard.advance(days=29)
    assert yard.task(task.id).state == "PENDING"
    yard.advance(days=2)
    assert yard.task(task.id).state == "SUCCESS"


def test_yard_task_due_now_has_run_when_the_system_is_idle(yard: Yard) -> None:
    task = yard.submit("DELAYED_MESSAGE", {"message": "hello"})
    yard.run_until_idle()
    assert yard.task(task.id).state == "SUCCESS"


def test_yard_reset_forgets_tasks_and_mails(yard: Yard) -> None:
    task = yard.submit("SEND_EMAIL", {"to": ["a@example.com"], "subject": "One", "text": "text"})
    yard.run_until_idle()
    assert [mail.subject for mail in yard.mail()] == ["One"]
    yard.reset()
    assert yard.mail() == []
    with pytest.raises(NotFound):
        yard.task(task.id)


def test_yard_aws_holds_the_tables_of_the_stack(yard: Yard) -> None:
    assert yard.aws("dynamodb").list_tables()["TableNames"]


def test_yard_of_a_folder_without_an_app_says_so(tmp_path: Path) -> None:
    with pytest.raises(YardFailed, match=r"cdk\.json is missing"):
        Yard.start(YardApp(folder=tmp_path), tmp_path)
