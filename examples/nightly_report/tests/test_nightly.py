from report.tasks.nightly import nightly_report
from taskyard.testing import run_task


def test_report_has_the_totals_of_its_shop() -> None:
    ran = run_task(nightly_report, {"shop": "berlin"})
    assert (ran.outcome, ran.result) == ("SUCCESS", {"orders": 3, "revenue": 59.85})
    assert ran.log == ["berlin: 3 orders"]
