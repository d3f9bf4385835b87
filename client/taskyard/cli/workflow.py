"""`taskyard workflow …`: run a file, follow its nodes, show, cancel, run again, draw."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskyard.api.notifications import targets_to_json
from taskyard.api.requests import encode
from taskyard.api.workflows.models import Node, Workflow
from taskyard.cli.each_id import for_each_id
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.text import STYLES, console_for, notification_lines, printable, short_time_text, table, time_text
from taskyard.extras import packages_of_extra
from taskyard.files import workflow_file

if TYPE_CHECKING:
    from rich.console import Group

    from taskyard.client import Taskyard

MAX_FOLLOWED_NODES = 500
"""Of a larger workflow only the counts are followed, because reading all nodes every second is too much."""
LIVE_VIEW_ROWS = 40
STATES_BY_INTEREST = (
    "RUNNING",
    "RETRY",
    "DEAD",
    "FAILED",
    "READY",
    "PENDING",
    "CANCELLED",
    "SKIPPED",
    "SUCCESS",
    "BLOCKED",
)
"""The order in which nodes get the rows of a live view when there are more nodes than rows."""


def workflow(yard: "Taskyard", args: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    match args.action:
        case "run":
            document = workflow_file.read(args.file)
            if args.notify:
                if "notify" in document:
                    raise ValueError(f"{args.file} has `notify`: leave --notify out")
                document["notify"] = targets_to_json(args.notify)
            return _show_or_follow(yard, args, yard.workflows.submit_body(encode(document), args.key), sleep)
        case "retry":
            return _show_or_follow(yard, args, yard.workflows.retry(args.id), sleep)
        case "get":
            return _get(yard, args)
        case "list":
            return _list(yard, args)
        case "cancel":
            return for_each_id(args, partial(_cancel, yard), refused_fields={"cancelled": False})
        case _:
            print(yard.workflows.graph(args.id, args.format), end="")
            return ExitCode.OK


def draws_file(args: argparse.Namespace) -> bool:
    """Whether the command is `graph` with a file, which needs no API."""
    if args.command != "workflow" or args.action != "graph":
        return False
    return args.id == "-" or args.id.endswith(workflow_file.SUFFIXES) or Path(args.id).is_file()


def draw_file(args: argparse.Namespace) -> ExitCode:
    document = workflow_file.read(args.id)
    print(workflow_file.draw(document, args.format), end="")
    count = sum(map(len, workflow_file.dependencies(document).values()))
    if args.format == "mermaid" and count > workflow_file.MERMAID_MAX_EDGES:
        limit = workflow_file.MERMAID_MAX_EDGES
        print(f"taskyard: {count} edges: Mermaid draws {limit} by default; use --format dot", file=sys.stderr)
    return ExitCode.OK


def _show_or_follow(
    yard: "Taskyard", args: argparse.Namespace, workflow: Workflow, sleep: Callable[[float], None]
) -> ExitCode:
    if not args.wait:
        _show(args, workflow)
        return ExitCode.OK
    if not args.json:
        print(workflow_line(workflow), flush=True)
    views = read_repeatedly(yard, workflow.id, args.interval, sleep)
    if args.json:
        *_, (workflow, _) = views
    elif sys.stdout.isatty():
        workflow = _follow_as_table(views)
    else:
        workflow = _follow_as_lines(views)
    _show(args, workflow)
    return ExitCode.OK if workflow.succeeded else ExitCode.TASK_FAILED


def _get(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    workflow = yard.workflows.get(args.id, args.limit)
    if args.json:
        _show(args, workflow)
        return ExitCode.OK
    print("\n".join(workflow_lines(workflow)))
    console = console_for()
    console.print(nodes_table(workflow.nodes, console.width))
    if workflow.cursor:
        print(f"… and {workflow.node_count - len(workflow.nodes)} more: --limit")
    return ExitCode.OK


def _list(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    workflows = list(yard.workflows.list(args.limit))
    if args.json:
        print(json.dumps([workflow.raw for workflow in workflows], ensure_ascii=False))
    else:
        print("\n".join(map(workflow_line, workflows)) or "no workflows")
    return ExitCode.OK


def _cancel(yard: "Taskyard", workflow_id: str) -> tuple[dict[str, Any], str]:
    yard.workflows.cancel(workflow_id)
    return {"cancelled": True}, f"{workflow_id}  cancelled: nodes that had not started will not start"


def read_repeatedly(
    yard: "Taskyard", workflow_id: str, interval: float, sleep: Callable[[float], None]
) -> Iterator[tuple[Workflow, Sequence[Node]]]:
    """Reads every `interval` seconds until the workflow has ended: the workflow, and its nodes if they are few
    enough."""
    while True:
        workflow = yard.workflows.get(workflow_id, limit=1)
        # The nodes are read after the workflow: when it has ended, their states are final.
        nodes = list(yard.workflows.nodes(workflow_id)) if workflow.node_count <= MAX_FOLLOWED_NODES else []
        yield workflow, nodes
        if workflow.ended:
            return
        sleep(interval)


def _follow_as_lines(views: Iterator[tuple[Workflow, Sequence[Node]]]) -> Workflow:
    """A line for each change of a node; of a large workflow, for each change of the counts."""
    before: dict[str, tuple[str, int]] = {}
    last_counts = ""
    for workflow, nodes in views:
        changed = [node for node in nodes if before.get(node.id) != (node.state, node.attempt)]
        for node in changed if before else [node for node in changed if node.state != "BLOCKED"]:
            print(node_line(node), flush=True)
        before |= {node.id: (node.state, node.attempt) for node in nodes}
        if not nodes and counts_text(workflow) != last_counts:
            last_counts = counts_text(workflow)
            print(last_counts, flush=True)
    return workflow


def _follow_as_table(views: Iterator[tuple[Workflow, Sequence[Node]]]) -> Workflow:
    with packages_of_extra("cli"):
        from rich.live import Live

    console = console_for()
    with Live(console=console, auto_refresh=False) as live:
        for workflow, nodes in views:
            live.update(live_view(workflow, nodes, console.width), refresh=True)
    return workflow


def live_view(workflow: Workflow, nodes: Sequence[Node], width: int) -> "Group":
    with packages_of_extra("cli"):
        from rich.console import Group
        from rich.text import Text

    ranked = sorted(
        nodes, key=lambda node: STATES_BY_INTEREST.index(node.state) if node.state in STATES_BY_INTEREST else 0
    )
    visible_ids = {node.id for node in ranked[:LIVE_VIEW_ROWS]}
    counts = Text(f"{workflow.state}  ", STYLES.get(workflow.state, ""))
    for state, count in sorted(workflow.counts.items()):
        counts.append(f"{count} {state}  ", STYLES.get(state, ""))
    parts: list[Any] = [counts, nodes_table([node for node in nodes if node.id in visible_ids], width)]
    if len(nodes) > LIVE_VIEW_ROWS:
        rest = Counter(node.state for node in nodes if node.id not in visible_ids)
        parts.append(Text("and " + ", ".join(f"{count} {state}" for state, count in rest.items())))
    return Group(*parts)


def nodes_table(nodes: Sequence[Node], width: int) -> Any:
    rows = [
        {
            "NODE": printable(node.name),
            "TYPE": printable(node.type),
            "STATE": node.state,
            "TRY": f"{node.attempt}/{node.max_attempts}",
            "STARTED": short_time_text(node.started_at),
            "ENDED": short_time_text(node.ended_at),
            "NOTE": node_note(node),
        }
        for node in nodes
    ]
    return table(rows, width, optional=("TYPE", "STARTED"), wrapping=("NOTE",))


def node_note(node: Node) -> str:
    if node.error and node.state in ("RETRY", "FAILED", "DEAD", "RUNNING"):
        return printable(f"{node.error_type}: {node.error}" if node.error_type else node.error)
    return printable(node.reason or "")


def node_line(node: Node) -> str:
    parts = [node.id, node.state, printable(node.name), f"try {node.attempt}/{node.max_attempts}", node_note(node)]
    return "  ".join(part for part in parts if part)


def counts_text(workflow: Workflow) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(workflow.counts.items()))


def workflow_line(workflow: Workflow) -> str:
    parts = [
        workflow.id,
        workflow.state,
        printable(workflow.name),
        f"{workflow.node_count} nodes: {counts_text(workflow)}",
    ]
    if workflow.round > 1:
        parts.append(f"round {workflow.round}")
    return "  ".join([*parts, printable(workflow.reason)] if workflow.reason else parts)


def workflow_lines(workflow: Workflow) -> list[str]:
    fields: dict[str, Any] = {
        "id": workflow.id,
        "name": printable(workflow.name),
        "state": workflow.state,
        "reason": printable(workflow.reason) if workflow.reason else None,
        "nodes": f"{workflow.node_count}, {workflow.edge_count} edges",
        "counts": counts_text(workflow),
        "round": workflow.round,
        "created": time_text(workflow.created_at),
        "started": time_text(workflow.started_at),
        "ended": time_text(workflow.ended_at),
        "deadline": f"{workflow.deadline_seconds} s after its start",
        "on failure": workflow.on_failure,
        "key": workflow.idempotency_key,
    }
    lines = [f"{name:<13} {value}" for name, value in fields.items() if value not in (None, "")]
    return lines + notification_lines(workflow.notifications)


def _show(args: argparse.Namespace, workflow: Workflow) -> None:
    print(json.dumps(workflow.raw, ensure_ascii=False) if args.json else workflow_line(workflow))
