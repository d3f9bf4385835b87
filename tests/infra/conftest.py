"""One synthesis of each environment per run: every test of this folder is of group `infra`, so of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import stack_name
from infra.build.assets import Assets
from infra.build.locations import ROOT
from infra.build.pools import build_pools, default_pool
from tests.infra.template import Template, read
from tests.infra.variants import synthesize_variants

ENVIRONMENTS = ("dev", "prod")


@dataclass(frozen=True)
class Synthesis:
    """A finished `python app.py --check`: its output, and the template that it wrote."""

    ran: subprocess.CompletedProcess[str]
    template: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("infra"))


@pytest.fixture(scope="session")
def assets() -> Assets:
    """The assets of this checkout; built here, if need be, since a layer may take the package registry."""
    return build_pools([default_pool(timeout_seconds=60)]).functions


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A process environment without a network, an account, or a Node of the machine."""
    bare = tmp_path_factory.mktemp("bin")
    for name in ("node", "npm", "npx", "docker"):
        stub = bare / name
        stub.write_text("#!/bin/sh\nexit 97\n")
        stub.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_", "JSII_"))}
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    return kept | nowhere | {"PATH": f"{bare}{os.pathsep}{os.environ['PATH']}", "UV_OFFLINE": "1", "NO_PROXY": ""}


@pytest.fixture(scope="session")
def syntheses(
    tmp_path_factory: pytest.TempPathFactory, offline: Mapping[str, str], assets: Assets
) -> dict[str, Synthesis]:
    out = tmp_path_factory.mktemp("assembly")
    done = {}
    for name in ENVIRONMENTS:
        command = [sys.executable, "app.py", "--env", name, "--out", str(out), "--check"]
        ran = subprocess.run(command, cwd=ROOT, env=dict(offline), capture_output=True, text=True, check=False)
        done[name] = Synthesis(ran=ran, template=out / f"{stack_name(name)}.template.json")
        assert done[name].template.exists(), ran.stderr
    return done


@pytest.fixture(params=ENVIRONMENTS)
def template(request: pytest.FixtureRequest, syntheses: Mapping[str, Synthesis]) -> Template:
    """Each environment's template in turn."""
    return read(syntheses[request.param].template, request.param)


@pytest.fixture
def dev(syntheses: Mapping[str, Synthesis]) -> Template:
    return read(syntheses["dev"].template, "dev")


@pytest.fixture
def prod(syntheses: Mapping[str, Synthesis]) -> Template:
    return read(syntheses["prod"].template, "prod")


@pytest.fixture(scope="session")
def variants(
    tmp_path_factory: pytest.TempPathFactory, offline: Mapping[str, str], assets: Assets
) -> dict[str, Template]:
    """Templates of configurations that no environment has (tests/infra/variants.py)."""
    return synthesize_variants(tmp_path_factory.mktemp("variants"), offline)
