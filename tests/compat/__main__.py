"""python -m tests.compat: writes the records of this version anew, into tests/compat/records/<version>/."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import taskyard

HERE = Path(__file__).parent


def main() -> int:
    folder = HERE / "records" / taskyard.__version__
    folder.mkdir(parents=True, exist_ok=True)
    test = f"{HERE / 'test_records.py'}::test_records_of_this_release_hold_every_kind_that_it_writes"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", test], env=os.environ | {"WRITE_RECORDS": str(folder)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
