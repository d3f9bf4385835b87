"""Pools of a user's own package: what their assets hold, and every way for them to be wrong, told with the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.build import pools as build
from infra.build.assets import Asset, Assets
from infra.build.code_assets import TASK_TYPES
from infra.build.layers import LAYER_LOCK
from infra.build.locations import LOCK_FILE
from infra.build.pool_locks import INPUTS_COMMENT, PLATFORM_COMMENT, inputs_digest
from infra.build.pools import DEFAULT_POOL, LANES, PoolError, PoolSource, StackAssets, build_pools, check_size
from infra.build.requirements import LAMBDA
from infra.config import DeploymentError
from tests.infra.wheels import tool_pin

HEAD = "from typing import Any\nfrom taskyard.tasks import Context, task\n"
AT = HEAD.count("\n") + 1
"""The line after it."""


def handler(name: str, **options: int) -> str:
    arguments = ", ".join([repr(name), *(f"{key}={value}" for key, value in options.items())])
    return f"{HEAD}@task({arguments})\ndef handler(ctx: Context, payload: Any) -> None: ...\n"


class App:
    """The folder of a user's app, from which it is synthesized."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write({"orders/__init__.py": "", "orders/tasks/__init__.py": "", "orders/tasks/pay.py": handler("PAY")})

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def pool(self, name: str = DEFAULT_POOL, tasks: str | None = "orders.tasks", **changes: object) -> PoolSource:
        lanes = LANES if name == DEFAULT_POOL else (name,)
        pool = PoolSource(name=name, tasks=tasks, lanes=lanes, timeout_seconds=60, origin=f"app.py:{len(name)}")
        return replace(pool, **changes)  # type: ignore[arg-type]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assets: Assets) -> App:
    """`assets`: the base layer is there."""
    monkeypatch.chdir(tmp_path)
    return App(tmp_path)


def files(asset: Asset, folder: str) -> set[str]:
    return {path.relative_to(asset.path).as_posix() for path in (asset.path / folder).rglob("*.py")}


def types(built: StackAssets) -> dict[str, str]:
    """Name → pool, of the user's types."""
    document = json.loads((built.functions.code.path / TASK_TYPES).read_text())
    return {each["name"]: each["pool"] for each in document["task_types"] if not each["module"].startswith("functions")}


def test_pools_of_one_package_run_their_own_types_on_the_same_code(app: App) -> None:
    app.write({"orders/images/resize.py": handler("RESIZE", timeout_seconds=100), "orders/__pycache__/x.py": "x"})
    images = app.pool("images", "orders.images", timeout_seconds=120)
    built = build_pools([app.pool(), images])
    assert types(built) == {"PAY": "default", "RESIZE": "images"}
    assert files(built.functions.code, "orders") == {
        "orders/__init__.py",
        "orders/tasks/__init__.py",
        "orders/tasks/pay.py",
        "orders/images/resize.py",
    }
    assert built.pools["default"] == built.pools["images"] == built.functions


def test_pool_of_another_package_has_its_own_code_and_functions_can_import_both(app: App) -> None:
    app.write({"src/reports/nightly.py": handler("NIGHTLY")})
    built = build_pools([app.pool(), app.pool("reports", "reports", root=app.folder / "src")])
    assert types(built) == {"PAY": "default", "NIGHTLY": "reports"}
    names = [(pool.code.path / "orders", pool.code.path / "reports") for pool in built.pools.values()]
    assert [(one.exists(), other.exists()) for one, other in names] == [(True, False), (False, True)]
    assert files(built.functions.code, "orders")
    assert files(built.functions.code, "reports")
    documents = {(each.code.path / TASK_TYPES).read_text() for each in (built.functions, *built.pools.values())}
    assert len(documents) == 1


def test_pool_within_the_package_of_another_keeps_its_types(app: App) -> None:
    app.write({"orders/tasks/slow/__init__.py": "", "orders/tasks/slow/export.py": handler("EXPORT")})
    built = build_pools([app.pool(), app.pool("slow", "orders.tasks.slow")])
    assert types(built) == {"PAY": "default", "EXPORT": "slow"}


def test_pool_of_a_single_module_is_built(app: App) -> None:
    app.write({"jobs.py": handler("JOB")})
    assert types(build_pools([app.pool(tasks="jobs")])) == {"JOB": "default"}


def test_handler_that_another_task_file_imports_is_one_type(app: App) -> None:
    app.write({"orders/tasks/a.py": f"from orders.tasks.pay import handler as other\n{handler('A')}"})
    built = build_pools([app.pool()])
    document = json.loads((built.functions.code.path / TASK_TYPES).read_text())
    assert {each["module"] for each in document["task_types"] if each["name"] == "PAY"} == {"orders.tasks.pay"}


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("", True),
        ("# pillow\n\n  # boto3\n", True),
        ("--index-url https://packages.example\n", True),
        ("pillow\n", False),
        ("# a comment\n  pillow==12\n", False),
        ("./pillow-12-py3-none-any.whl\n", False),
        ("-e ./pillow\n", False),
        ("-r more.txt\n", False),
    ],
)
def test_pool_whose_requirements_name_no_package_shares_the_base(app: App, text: str, shares: bool) -> None:
    app.write({"requirements.txt": text, "more.txt": "pillow\n"})
    assert app.pool(requirements=app.folder / "requirements.txt").shares_base is shares


def test_pool_whose_requirements_name_no_package_has_the_layer_of_the_functions_and_no_lock(app: App) -> None:
    app.write({"requirements.txt": "# nothing yet\n"})
    built = build_pools([app.pool(requirements=app.folder / "requirements.txt")])
    assert built.pools["default"] == built.functions
    assert not list(app.folder.glob("*.lock"))


def test_unchanged_pools_are_not_imported_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.write({"orders/tasks/count.py": f"open({str(app.folder / 'imports')!r}, 'a').write('x')\n"})
    first = build_pools([app.pool()])
    assert build_pools([app.pool()]) == first
    assert (app.folder / "imports").read_text() == "x"
    app.write({"orders/tasks/pay.py": handler("PAID")})
    assert build_pools([app.pool()]) != first
    assert (app.folder / "imports").read_text() == "xx"


def test_pool_with_requirements_has_the_layer_of_its_committed_lock(
    app: App, monkeypatch: pytest.MonkeyPatch, assets: Assets
) -> None:
    app.write({"images.txt": "iniconfig\n", "orders/images/a.py": f"import iniconfig\n{handler('A')}"})
    inputs = f"{INPUTS_COMMENT}{inputs_digest(Path('images.txt'))}\n{PLATFORM_COMMENT}{LAMBDA.label}\n"
    app.write({"images.lock": f"{inputs}{LOCK_FILE.read_text()}{tool_pin('iniconfig')}"})
    monkeypatch.setattr("infra.build.pool_locks.compile_lock", None)
    built = build_pools([app.pool(), app.pool("images", "orders.images", requirements=Path("images.txt"))])
    layer = built.pools["images"].layer
    assert (layer.path / LAYER_LOCK).read_text() == Path("images.lock").read_text()
    packages = {path.name for path in (layer.path / "python").iterdir()}
    assert {"iniconfig", "boto3", "pydantic"} <= packages
    assert built.pools["default"].layer == built.functions.layer == assets.layer
    entries = json.loads((built.functions.code.path / TASK_TYPES).read_text())["pools"]
    assert {name: entry["sharesBase"] for name, entry in entries.items()} == {"default": True, "images": False}
    # In one package: what pools that share the base layer are made of is all that functions can import.
    assert built.functions.code == built.pools["default"].code


# What is written beside the app's own files; the pools; how the message begins, and what else is in its first line.
Wrong = tuple[dict[str, str], Callable[[App], list[PoolSource]], str, str]
IMAGES = {"orders/images/__init__.py": ""}


def two(app: App) -> list[PoolSource]:
    return [app.pool(), app.pool("images", "orders.images")]


WRONG: dict[str, Wrong] = {
    "type in two pools": (
        IMAGES | {"orders/images/pay.py": handler("PAY")},
        two,
        f"orders/images/pay.py:{AT}: the name 'PAY' of the pool images is taken by orders/tasks/pay.py:{AT} of the "
        "pool default: ",
        "rename one of the two",
    ),
    "built-in type": (
        IMAGES | {"orders/images/mail.py": handler("SEND_EMAIL")},
        two,
        f"orders/images/mail.py:{AT}: the name 'SEND_EMAIL' of the pool images is taken by functions/tasks/",
        "of the pool default",
    ),
    "time-out above the pool's": (
        IMAGES | {"orders/images/slow.py": handler("SLOW", timeout_seconds=100)},
        two,
        f"orders/images/slow.py:{AT}: timeout_seconds is 100, but an attempt may run 50 s here: lower it, or raise the "
        "time-out of the pool images (app.py:6) to 110",
        "at most 900",
    ),
    "import error": (
        IMAGES | {"orders/images/wrong.py": "\n1 / 0\n"},
        two,
        "orders/images/wrong.py:2: it cannot be imported (ZeroDivisionError",
        "importing a task file must do nothing but define",
    ),
    "import error of the package": (
        {"orders/images/__init__.py": "import nothing_here\n", "orders/images/a.py": ""},
        two,
        "orders/images/__init__.py:1: it cannot be imported (ModuleNotFoundError: No module named 'nothing_here'): ",
        "name it in a file of requirements for the pool images",
    ),
    "syntax error of a helper": (
        {"orders/helper.py": "def:\n", "orders/images/a.py": "import orders.helper\n"},
        two,
        "orders/helper.py:1: ",
        "correct this line",
    ),
    "undeclared import": (
        {"orders/images/a.py": "import yaml\n"},
        two,
        "orders/images/a.py:1: it cannot be imported (ModuleNotFoundError: No module named 'yaml'): ",
        "name it in a file of requirements for the pool images",
    ),
    "undeclared import of a helper": (
        {"orders/helper.py": "\n\nimport yaml\n", "orders/images/a.py": "import orders.helper\n"},
        two,
        "orders/helper.py:3: it cannot be imported",
        "name it in a file of requirements for the pool images",
    ),
    "module beside the package": (
        {"shared.py": "", "orders/images/a.py": "import shared\n"},
        two,
        "orders/images/a.py:1: it cannot be imported (ModuleNotFoundError: No module named 'shared'): ",
        "only the package orders is deployed: move shared into it",
    ),
    "module of the package that is missing": (
        {"orders/images/a.py": "import orders.nothing\n"},
        two,
        "orders/images/a.py:1: it cannot be imported",
        "correct the name of the module",
    ),
    "package in another folder": (
        {"src/reports/a.py": "import yaml\n"},
        lambda app: [app.pool(), app.pool("reports", "reports", root=app.folder / "src")],
        "src/reports/a.py:1: it cannot be imported",
        "No module named 'yaml'",
    ),
    "handler in a folder below": (
        {"orders/images/a.py": "", "orders/images/more/b.py": handler("B")},
        two,
        f"orders/images/more/b.py:{AT}: handler would not be found: ",
        "a file directly in orders/images/, under a name of its own",
    ),
    "end of the process": (
        {"orders/images/a.py": "import os\nos._exit(7)\n"},
        two,
        "app.py:6: pool images: importing the task files ends the process (7)",
        "must do nothing but define",
    ),
    "no such package": (
        {},
        two,
        "app.py:6: pool images: there is no package orders.images: neither the folder ",
        "create it, or correct the name or the root",
    ),
    "package without a file": (
        {"orders/images/a.txt": ""},
        two,
        "app.py:6: pool images: there is no task file in ",
        "",
    ),
    "no name of a package": (
        {},
        lambda app: [app.pool(tasks="orders/tasks")],
        "app.py:7: pool default: 'orders/tasks' is no name of a package: ",
        "as in an import",
    ),
    "name of Taskyard's own package": (
        {"functions/a.py": ""},
        lambda app: [app.pool(tasks="functions")],
        "app.py:7: pool default: the package functions has the name of one of Taskyard's own",
        "rename it",
    ),
    "name of the standard library": (
        {"queue/a.py": ""},
        lambda app: [app.pool(tasks="queue")],
        "app.py:7: pool default: the package queue would hide the standard library's",
        "rename it",
    ),
    "name of an installed package": (
        {"pydantic/a.py": ""},
        lambda app: [app.pool(tasks="pydantic")],
        "app.py:7: pool default: the package pydantic would hide the package of that name that is installed",
        "rename it",
    ),
    "two folders with one package": (
        {"src/orders/more/a.py": handler("A")},
        lambda app: [app.pool(), app.pool("more", "orders.more", root=app.folder / "src")],
        "app.py:4: pool more: its package orders in src has the name of another, in ",
        "rename one of the two",
    ),
    "missing requirements": (
        IMAGES | {"orders/images/a.py": ""},
        lambda app: [app.pool(), app.pool("images", "orders.images", requirements=Path("images.txt"))],
        "images.txt: there is no such file, which the pool images names as its requirements (app.py:6)",
        "create it, or correct the name",
    ),
    "two pools of one name": (
        IMAGES | {"orders/images/a.py": ""},
        lambda app: [*two(app), app.pool("images", "orders.tasks")],
        "app.py:6: pool images: another pool has this name (app.py:6)",
        "rename one of the two",
    ),
    "one package in two pools": (
        {},
        lambda app: [app.pool(), app.pool("more", "orders.tasks")],
        "app.py:4: pool more: the pool default has the same package orders.tasks",
        "give each its own",
    ),
    "name of a lane": ({}, lambda app: [app.pool(), app.pool("high", "orders")], "app.py:4: pool high: 'high'", ""),
    "name with a capital": ({}, lambda app: [app.pool(), app.pool("A", "orders")], "app.py:1: pool A: 'A' cannot", ""),
    "no default pool": ({}, lambda app: [app.pool("images", "orders.tasks")], "0 pools are the default pool", ""),
    "no tasks": ({}, lambda app: [app.pool(), app.pool("a", None)], "app.py:1: pool a: it has no task types", "name"),
    "old runtime": (
        {},
        lambda app: [app.pool(runtime=(3, 11))],
        "app.py:7: pool default: Python 3.11 is not one of 3.12, 3.13, 3.14",
        "choose one of these",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_pool_that_is_wrong_is_told_in_the_first_line_with_place_and_remedy(app: App, name: str) -> None:
    written, pools, start, more = WRONG[name]
    app.write(written)
    with pytest.raises(DeploymentError) as wrong:
        build_pools(pools(app))
    first = str(wrong.value).splitlines()[0]
    assert first.startswith(start)
    assert more in first


def test_faults_of_all_pools_are_told_at_once(app: App) -> None:
    app.write({"orders/tasks/a.py": "import yaml\n", "orders/images/b.py": "import yaml\n"})
    with pytest.raises(DeploymentError) as wrong:
        build_pools(two(app))
    assert [line.partition(":")[0] for line in str(wrong.value).splitlines()] == [
        "orders/tasks/a.py",
        "orders/images/b.py",
    ]


@pytest.fixture
def sized(tmp_path: Path) -> Assets:
    """Code of 1 KB, and a layer of 3 KB in two packages."""
    for name, size in (("code/a.py", 1), ("layer/python/large/a.py", 2), ("layer/python/small/a.py", 1)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1024 * size))
    code, layer = (Asset(path=tmp_path / name, hash="") for name in ("code", "layer"))
    return Assets(code=code, layer=layer, bytecode="none")


@pytest.mark.parametrize(("other", "fits"), [(1024, True), (1025, False)])
def test_function_larger_than_lambda_takes_is_told_with_its_largest_packages(
    sized: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int, fits: bool
) -> None:
    monkeypatch.setattr(build, "MAX_UNZIPPED_BYTES", 5 * 1024)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.txt").touch()
    pool = App(tmp_path).pool("images", requirements=tmp_path / "images.txt", other_layers_bytes=other)
    if fits:
        check_size(pool, sized)
        return
    with pytest.raises(PoolError) as large:
        check_size(pool, sized)
    assert str(large.value).startswith("images.txt: the function of the pool images has ")
    assert str(large.value).endswith("The largest packages: large 0.0 MB, small 0.0 MB")
