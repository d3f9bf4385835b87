"""Changes of a running system: another template, or other code of its functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from local.aws import provisioning
from local.event_sources.wiring import EventSources
from local.functions.deployed import DeployedFunctions
from local.template import changes
from local.template.stack import Stack


def update(
    old: Stack, new: Stack, *, functions: DeployedFunctions, sources: EventSources, report: Callable[[str], None]
) -> list[str]:
    """Take `new` over. What takes a restart is returned, one line each; then nothing was taken over. Raises
    TemplateError."""
    reasons = changes.needs_restart(old.resources, new.resources, provisioning.MADE_KINDS)
    if reasons:
        return reasons
    changed = changes.changed_functions(old, new)
    changes.take_over_roles(old, new)
    provisioning.provision(new, changes.new_resources(old.resources, new.resources))
    functions.make(new)
    for spec in changed:
        functions.deploy(new, new.functions[spec.arn])
    known = {(source.source_arn, source.function.arn) for source in old.event_sources}
    for source in new.event_sources:
        if (source.source_arn, source.function.arn) not in known:
            sources.add(source)
    for line in new.notes.lines:
        if line not in old.notes.lines:
            report(line)
    return []


def deploy_code(stack: Stack, roots: Mapping[Path, Path], functions: DeployedFunctions) -> None:
    """Run the functions whose code is a key of `roots` from the directory that is its value."""
    for arn, spec in list(stack.functions.items()):
        if spec.root in roots:
            stack.functions[arn] = replace(spec, root=roots[spec.root])
            functions.deploy(stack, stack.functions[arn])
