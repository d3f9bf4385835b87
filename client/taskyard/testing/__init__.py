"""Runs a handler in a test, without AWS: what it returns or raises, logs, reports, sends and does once is recorded.

    from taskyard.testing import run_task

    def test_resize_image_wide_is_stored():
        result = run_task(resize_image, {"url": "https://example.com/a.png", "width": 640})
        assert result.outcome == "SUCCESS"
        assert result.log == ["resizing https://example.com/a.png"]

It needs the standard library, and pydantic where the payload's annotation does.
"""

from taskyard.testing.recorder import Mail
from taskyard.testing.result import TaskResult
from taskyard.testing.run import run_task

__all__ = ["Mail", "TaskResult", "run_task"]
