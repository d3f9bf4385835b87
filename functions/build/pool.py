"""`python -m functions.build.pool POOL FILE`: imports the task types of a pool once, checks them, lists them as data.

POOL is JSON:

    {"name": "images", "lanes": ["images"], "timeoutSeconds": 600, "sharesBase": false,
     "packages": ["orders.images"], "excluded": [],
     "folders": {"orders": "src"}, "lockRemedy": "…", "timeoutSetting": "…", "beside": ["conftest"]}

`excluded`: packages within `packages` that are of other pools. The last four are for messages
(functions/build/task_files.py). FILE is written as JSON:

    {"faults": ["src/orders/images/resize.py:12: …"], "places": {"RESIZE_IMAGE": "src/orders/images/resize.py:12"},
     "document": {"pools": {…}, "task_types": […]}}

`document` is the pool's part of task-types.json; null where there are faults. infra/build/pool_types.py runs this in a
process of its own, which has the pool's packages and no others. The deployed functions never import this.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from functions.build.task_files import Author, check
from functions.core.pools import Pool
from functions.core.task_types import Registry


def pool_document(pool: dict[str, Any]) -> dict[str, Any]:
    author = Author(
        folders=pool["folders"],
        lock_remedy=pool["lockRemedy"],
        timeout_setting=pool["timeoutSetting"],
        beside=pool["beside"],
    )
    checked = check(pool["packages"], worker_seconds=pool["timeoutSeconds"], author=author, excluded=pool["excluded"])
    faults = [str(fault) for fault in checked.faults]
    document = None
    if not faults:
        entry = Pool.from_json(pool["name"], pool)
        document = json.loads(Registry.of((each.register(entry) for each in checked.types), (entry,)).to_json())
    return {"faults": faults, "places": checked.places, "document": document}


def main(argv: Sequence[str]) -> None:
    pool, file = argv
    # Task files may print when they are imported.
    with contextlib.redirect_stdout(sys.stderr):
        document = pool_document(json.loads(pool))
    Path(file).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
