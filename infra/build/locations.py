"""Where the sources of what is deployed are, and where builds are kept.

In the repository this package is `infra`, beside functions/, client/ and requirements/. In the wheel it is
`taskyard.cdk`, and `taskyard/_runtime` has the same folders (.ci/wheel_contents/hook.py).
"""

from __future__ import annotations

from pathlib import Path

CONSTRUCT = Path(__file__).resolve().parents[1]
"""The folder of this package."""
_IN_WHEEL = CONSTRUCT.parent / "_runtime"
ROOT = _IN_WHEEL if _IN_WHEEL.is_dir() else CONSTRUCT.parent
"""Has the folders functions/, client/ and requirements/."""
APP = Path.cwd() if _IN_WHEEL.is_dir() else ROOT
"""The folder of the app that is synthesized: from the wheel, the folder that the app is run in, as the CDK CLI does."""
BUILD = APP / ".build"
LOCK_FILE = ROOT / "requirements" / "functions.txt"
"""What the functions import, locked."""
