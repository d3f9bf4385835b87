"""The pytest plugin: the fixture `yard`, the user's own stack running locally.

    def test_invoice_is_sent_after_thirty_days(yard):
        task = yard.submit("SEND_INVOICE", {"id": 7}, delay=timedelta(days=30))
        yard.advance(days=30)
        assert yard.task(task.id).state == "SUCCESS"
        assert yard.mail()[0].subject == "Invoice 7"

The stack starts once in a session and is emptied before each test. Override the fixture `yard_app` for an app that is
not in pytest's root folder, or that has several stacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taskyard.testing.yard import Yard, YardApp


@pytest.fixture(scope="session")
def yard_app(pytestconfig: pytest.Config) -> YardApp:
    """Which app runs: the one in pytest's root folder."""
    from taskyard.testing.yard import YardApp

    return YardApp(folder=pytestconfig.rootpath)


@pytest.fixture(scope="session")
def running_yard(yard_app: YardApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The stack, for all tests of the session."""
    from taskyard.testing.yard import Yard

    yard = Yard.start(yard_app, tmp_path_factory.mktemp("yard"))
    yield yard
    yard.close()


@pytest.fixture
def yard(running_yard: Yard) -> Yard:
    """The stack, emptied, for one test."""
    running_yard.reset()
    return running_yard
