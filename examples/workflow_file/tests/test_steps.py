from etl.tasks.steps import extract, load
from taskyard.testing import run_task


def test_extract_counts_its_rows() -> None:
    assert run_task(extract, {"name": "orders"}).result == {"rows": 6}


def test_load_adds_up_what_the_sources_have() -> None:
    assert run_task(load, inputs={"orders": {"rows": 6}, "customers": {"rows": 9}}).result == {"rows": 15}
