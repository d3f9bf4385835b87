"""Writes the files of a new project from the templates beside this module."""

import importlib.util
import json
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from taskyard.project.names import ProjectNames, project_names

TEMPLATES = Path(__file__).with_name("template")
SUFFIX = ".template"
"""Of each template, so that no tool takes it for what it becomes."""
PLACES: Mapping[str, str] = {"package": "@PACKAGE@", "gitignore": ".gitignore", "github": ".github"}
"""Part of a template's path → part of the file's path."""


class FolderNotEmpty(ValueError):
    """The folder of the new project has something in it."""


def create_project(name: str, parent: Path, *, version: str) -> tuple[Path, list[Path]]:
    """Write the project `name` into a new or empty folder of that name. Returns the folder, and its files from there,
    sorted. `version`: of this taskyard. Raises ValueError for the name, or FolderNotEmpty."""
    names = project_names(name, is_installed=is_importable)
    folder = parent / names.name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderNotEmpty(f"{folder} exists and is not empty: choose another name, or remove it")
    values = placeholders(names, installation_requirement(version))
    files = []
    for template in sorted(TEMPLATES.rglob(f"*{SUFFIX}")):
        path = Path(project_path(template.relative_to(TEMPLATES), names))
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(fill_template(template.read_text(encoding="utf-8"), values), encoding="utf-8")
        files.append(path)
    return folder, sorted(files)


def project_path(template: Path, names: ProjectNames) -> str:
    parts = [PLACES.get(part, part) for part in template.as_posix().removesuffix(SUFFIX).split("/")]
    return "/".join(parts).replace("@PACKAGE@", names.package)


def placeholders(names: ProjectNames, requirement: str) -> dict[str, str]:
    return {
        "@NAME@": names.name,
        "@PACKAGE@": names.package,
        "@STACK@": names.stack,
        "@TASKYARD@": requirement,
    }


def fill_template(template: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        template = template.replace(placeholder, value)
    return template


def is_importable(package: str) -> bool:
    """Whether something has the name that does not stand in the current folder."""
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return True
    here = (Path.cwd(), Path.cwd() / package)
    return found is not None and found.origin is not None and Path(found.origin).parent not in here


def installation_requirement(version: str) -> str:
    """The line of a requirements file by which the project gets this taskyard: from where it was installed, if that is
    a file or an address and no index; else this version."""
    try:
        text = Distribution.from_name("taskyard").read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    url = json.loads(text)["url"] if text else None
    return f"taskyard[dev] @ {url}" if url else f"taskyard[dev]=={version}"
