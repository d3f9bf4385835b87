"""docs/scale.md is what the model writes, and the model reads the code's own limits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app import CONFIGS
from infra.build.locations import ROOT
from tests.model.hot_keys import shares
from tests.model.load import Load, constant, met_at
from tests.model.remedies import remedy
from tests.model.report import HOT, as_json, ceilings, document
from tests.model.workload import Workload

WORK = Workload(tasks_per_second=100)


def without_hot_keys(page: str) -> str:
    before, _, rest = page.partition(HOT)
    return before + rest[rest.index("\n## ") :]


def test_scale_page_is_what_the_model_writes() -> None:
    """But for the hot keys of a million ids, which take too long here."""
    written = (ROOT / "docs" / "scale.md").read_text()
    same = without_hot_keys(written) == without_hot_keys(document(shares(ids=1000), ids=1000))
    assert same, "make model ARGS='--write docs/scale.md' writes the page anew; look at what changed"


def test_model_every_ceiling_has_a_remedy() -> None:
    for config in CONFIGS.values():
        for row in Load(workload=WORK, config=config).rows():
            assert remedy(row.what)


def test_model_ceiling_is_met_at_its_rate() -> None:
    config = CONFIGS["prod"]
    what, rate, _ = ceilings(WORK, config)[0]
    for factor, over in ((0.99, False), (1.01, True)):
        rows = Load(workload=WORK.at(rate * factor), config=config).rows()
        assert (next(row.use for row in rows if row.what == what) > 1) is over
        assert all(row.use < 1.02 for row in rows)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"handler_seconds": 5.0}, "normal: workers"),
        ({"timer_share": 0.5}, "schedules fired"),
        ({"notified_share": 1.0}, "executions started"),
        ({"retries_per_task": 3.0}, "table writes"),
    ],
)
def test_model_larger_demand_meets_its_ceiling_at_a_lower_rate(changed: dict[str, float], what: str) -> None:
    config = CONFIGS["prod"]
    assert met_at(replace(WORK, **changed), config, what) < met_at(WORK, config, what)  # type: ignore[arg-type]


def test_model_batch_submits_need_fewer_api_requests() -> None:
    config = CONFIGS["prod"]
    batched = replace(WORK, tasks_per_request=100, reads_per_task=0)
    assert met_at(batched, config, "API throttle") > 50 * met_at(WORK, config, "API throttle")


def test_model_reads_batch_sizes_from_infra() -> None:
    assert constant("infra/functions/worker.py", "BATCH_SIZE") == 10
    with pytest.raises(LookupError):
        constant("infra/functions/worker.py", "NOTHING")


def test_model_json_has_every_row() -> None:
    config = CONFIGS["dev"]
    said = json.loads(json.dumps(as_json(WORK, config)))
    assert len(said["rows"]) == len(Load(workload=WORK, config=config).rows())
