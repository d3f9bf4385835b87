"""The demo's workflow: ten nodes with a fan-out, a fan-in and one that fails twice, drawn before and after."""

import time

from taskyard import Node, Taskyard, Workflow
from taskyard.cli.workflow import node_line, workflow_line
from taskyard.files import workflow_file

from local.template.cloud_assembly import PROJECT

FILE = PROJECT / "events" / "workflows" / "orders.yaml"

# Seconds after which a run that has not ended is called stuck; it takes about five.
STUCK_AFTER_SECONDS = 60.0
POLL_SECONDS = 0.2
# Of the node that fails twice and then succeeds.
FAILS_TWICE, ATTEMPTS = "charge", 3
# How many of its nodes send a mail.
MAILS = 1


def run_and_show(yard: Taskyard) -> list[str]:
    """Runs it to its end; what was not as expected, empty when all was well."""
    document = workflow_file.read(str(FILE))
    run = yard.workflows.submit(
        document["nodes"],
        name=document["name"],
        deadline=document["deadlineSeconds"],
        on_failure=document["onFailure"],
    )
    print(f"A workflow of {run.node_count} nodes, {FILE.relative_to(PROJECT)}, before it runs:\n")
    print(yard.workflows.graph(run.id))
    run, nodes = follow(yard, run)
    print(f"\n{workflow_line(run)}\n\nand after:\n")
    print(yard.workflows.graph(run.id))
    return mismatches(run, nodes)


def follow(yard: Taskyard, run: Workflow) -> tuple[Workflow, list[Node]]:
    """A line for each change of a node, until the run has ended."""
    started = time.monotonic()
    before: dict[str, tuple[str, int]] = {}
    while True:
        run = yard.workflows.get(run.id, limit=1)
        nodes = list(yard.workflows.nodes(run.id))
        for node in nodes:
            if before.get(node.name, ("BLOCKED", 0)) != (node.state, node.attempt):
                print(f"+{time.monotonic() - started:5.1f} s  {node_line(node)}", flush=True)
            before[node.name] = (node.state, node.attempt)
        if run.ended or time.monotonic() - started > STUCK_AFTER_SECONDS:
            return run, nodes
        time.sleep(POLL_SECONDS)


def mismatches(run: Workflow, nodes: list[Node]) -> list[str]:
    found = [f"{node.name}: {node.state} instead of SUCCESS" for node in nodes if node.state != "SUCCESS"]
    if not run.succeeded:
        found.append(f"the workflow: {run.state} instead of SUCCESS ({run.reason})")
    attempts = {node.name: node.attempt for node in nodes}
    if attempts.get(FAILS_TWICE) != ATTEMPTS:
        found.append(f"{FAILS_TWICE}: took {attempts.get(FAILS_TWICE)} attempts instead of {ATTEMPTS}")
    return found
