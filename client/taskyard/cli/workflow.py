"""`taskyard workflow …`: run a file, follow its nodes, look, cancel, run again, draw."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskyard import workflow_file
from taskyard.calls import encode
from taskyard.cli.bulk import several
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.text import STYLES, cell, clock, console_for, notification_lines, plain, table
from taskyard.notify import written
from taskyard.workflow_model import Node, Workflow

if TYPE_CHECKING:
    from rich.console import Group

    from taskyard.client import Taskyard

FOLLOWED = 500
"""Of a workflow with more nodes only the counts are followed: to read all of them every second helps nobody."""
ROWS = 40
RANK = ("RUNNING", "RETRY", "DEAD", "FAILED", "READY", "PENDING", "CANCELLED", "SKIPPED", "SUCCESS", "BLOCKED")
"""The order in which nodes get the rows of a live view, when there are more."""


def workflow(yard: "Taskyard", args: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    match args.action:
        case "run":
            document = workflow_file.read(args.file)
            if args.notify:
                if "notify" in document:
                    raise ValueError(f"{args.file} says whom to notify: leave --notify out")
                document["notify"] = written(args.notify)
            return _begun(yard, args, yard.workflows.submit_body(encode(document), args.key), sleep)
        case "retry":
            return _begun(yard, args, yard.workflows.retry(args.id), sleep)
        case "get":
            return _get(yard, args)
        case "list":
            return _list(yard, args)
        case "cancel":
            return several(args, partial(_cancelled, yard), refused={"cancelled": False})
        case _:
            print(yard.workflows.graph(args.id, args.format), end="")
            return ExitCode.OK


def is_file(args: argparse.Namespace) -> bool:
    """Whether `graph` is to draw a file: that needs no API."""
    if args.command != "workflow" or args.action != "graph":
        return False
    return args.id == "-" or args.id.endswith(workflow_file.SUFFIXES) or Path(args.id).is_file()


def draw_file(args: argparse.Namespace) -> ExitCode:
    document = workflow_file.read(args.id)
    print(workflow_file.drawn(document, args.format), end="")
    count = sum(map(len, workflow_file.edges(document).values()))
    if args.format == "mermaid" and count > workflow_file.MERMAID_EDGES:
        most = workflow_file.MERMAID_EDGES
        print(f"taskyard: {count} edges: Mermaid draws {most} unless told otherwise; --format dot", file=sys.stderr)
    return ExitCode.OK


def _begun(yard: "Taskyard", args: argparse.Namespace, found: Workflow, sleep: Callable[[float], None]) -> ExitCode:
    if not args.wait:
        _show(args, found)
        return ExitCode.OK
    if not args.json:
        print(line(found), flush=True)
    views = looks(yard, found.id, args.interval, sleep)
    if args.json:
        *_, (found, _) = views
    elif sys.stdout.isatty():
        found = _follow_as_table(views)
    else:
        found = _follow_as_lines(views)
    _show(args, found)
    return ExitCode.OK if found.succeeded else ExitCode.TASK_FAILED


def _get(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = yard.workflows.get(args.id, args.limit)
    if args.json:
        _show(args, found)
        return ExitCode.OK
    print("\n".join(lines(found)))
    console = console_for()
    console.print(nodes_table(found.nodes, console.width))
    if found.cursor:
        print(f"… and {found.node_count - len(found.nodes)} more: --limit")
    return ExitCode.OK


def _list(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = list(yard.workflows.list(args.limit))
    if args.json:
        print(json.dumps([one.raw for one in found], ensure_ascii=False))
    else:
        print("\n".join(map(line, found)) or "no workflows")
    return ExitCode.OK


def _cancelled(yard: "Taskyard", workflow_id: str) -> tuple[dict[str, Any], str]:
    yard.workflows.cancel(workflow_id)
    return {"cancelled": True}, f"{workflow_id}  cancelled: what had not started will not"


# -- following


def looks(
    yard: "Taskyard", workflow_id: str, interval: float, sleep: Callable[[float], None]
) -> Iterator[tuple[Workflow, Sequence[Node]]]:
    """One look every `interval` seconds until it has ended: the workflow, and its nodes if they are few enough."""
    while True:
        found = yard.workflows.get(workflow_id, limit=1)
        # The nodes after the workflow: at its end they are as it left them.
        nodes = list(yard.workflows.nodes(workflow_id)) if found.node_count <= FOLLOWED else []
        yield found, nodes
        if found.ended:
            return
        sleep(interval)


def _follow_as_lines(views: Iterator[tuple[Workflow, Sequence[Node]]]) -> Workflow:
    """A line for each change of a node; of a large workflow, for each change of the counts."""
    before: dict[str, tuple[str, int]] = {}
    counted = ""
    for found, nodes in views:
        news = [node for node in nodes if before.get(node.id) != (node.state, node.attempt)]
        for node in news if before else [node for node in news if node.state != "BLOCKED"]:
            print(node_line(node), flush=True)
        before |= {node.id: (node.state, node.attempt) for node in nodes}
        if not nodes and counts_text(found) != counted:
            counted = counts_text(found)
            print(counted, flush=True)
    return found


def _follow_as_table(views: Iterator[tuple[Workflow, Sequence[Node]]]) -> Workflow:
    from rich.live import Live

    console = console_for()
    with Live(console=console, auto_refresh=False) as live:
        for found, nodes in views:
            live.update(live_view(found, nodes, console.width), refresh=True)
    return found


def live_view(found: Workflow, nodes: Sequence[Node], width: int) -> "Group":
    from rich.console import Group
    from rich.text import Text

    ranked = sorted(nodes, key=lambda node: RANK.index(node.state) if node.state in RANK else 0)
    shown = {node.id for node in ranked[:ROWS]}
    counts = Text(f"{found.state}  ", STYLES.get(found.state, ""))
    for state, count in sorted(found.counts.items()):
        counts.append(f"{count} {state}  ", STYLES.get(state, ""))
    parts: list[Any] = [counts, nodes_table([node for node in nodes if node.id in shown], width)]
    if len(nodes) > ROWS:
        rest = Counter(node.state for node in nodes if node.id not in shown)
        parts.append(Text("and " + ", ".join(f"{count} {state}" for state, count in rest.items())))
    return Group(*parts)


# -- text


def nodes_table(nodes: Sequence[Node], width: int) -> Any:
    rows = [
        {
            "NODE": plain(node.name),
            "TYPE": plain(node.type),
            "STATE": node.state,
            "TRY": f"{node.attempt}/{node.max_attempts}",
            "STARTED": cell(node.started_at),
            "ENDED": cell(node.ended_at),
            "NOTE": note(node),
        }
        for node in nodes
    ]
    return table(rows, width, may_go=("TYPE", "STARTED"), may_wrap=("NOTE",))


def note(node: Node) -> str:
    if node.error and node.state in ("RETRY", "FAILED", "DEAD", "RUNNING"):
        return plain(f"{node.error_type}: {node.error}" if node.error_type else node.error)
    return plain(node.reason or "")


def node_line(node: Node) -> str:
    parts = [node.id, node.state, plain(node.name), f"try {node.attempt}/{node.max_attempts}", note(node)]
    return "  ".join(part for part in parts if part)


def counts_text(found: Workflow) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(found.counts.items()))


def line(found: Workflow) -> str:
    parts = [found.id, found.state, plain(found.name), f"{found.node_count} nodes: {counts_text(found)}"]
    if found.round > 1:
        parts.append(f"round {found.round}")
    return "  ".join([*parts, plain(found.reason)] if found.reason else parts)


def lines(found: Workflow) -> list[str]:
    named: dict[str, Any] = {
        "id": found.id,
        "name": plain(found.name),
        "state": found.state,
        "reason": plain(found.reason) if found.reason else None,
        "nodes": f"{found.node_count}, {found.edge_count} edges",
        "counts": counts_text(found),
        "round": found.round,
        "created": clock(found.created_at),
        "started": clock(found.started_at),
        "ended": clock(found.ended_at),
        "deadline": f"{found.deadline_seconds} s after its start",
        "on failure": found.on_failure,
        "key": found.idempotency_key,
    }
    shown = [f"{name:<13} {value}" for name, value in named.items() if value not in (None, "")]
    return shown + notification_lines(found.notifications)


def _show(args: argparse.Namespace, found: Workflow) -> None:
    print(json.dumps(found.raw, ensure_ascii=False) if args.json else line(found))
