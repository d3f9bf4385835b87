"""What a node and an edge of a workflow cost, as the workflow grows: calls and write units, counted at the server; and
how many transitions of Step Functions a run takes."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from local.template import cloud_assembly
from tests.bench.contenders import _program
from tests.bench.processes import running, wait_until
from tests.bench.programs.dag import specs
from tests.bench.rounds import per_task
from tests.bench.server import Server

SHAPES = ("independent", "chain", "fan", "random")
"""Nodes without edges; each after the one before; one, then all side by side, then one; five edges a node at most."""
SIZES = (10, 50, 200)
QUICK_SIZES = (10, 30)


def measure(server: Server, sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """A row per shape and size."""
    env = server.as_function("dag", "worker-normal")
    env |= {name: value for name, value in server.function("workflow").environment.items() if name not in env}
    env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"].split(os.pathsep)[0], str(cloud_assembly.PROJECT)])
    rows = []
    with running(_program(server, "dag", env, sys.executable, "dag.py")) as [process]:
        process.answer(60)
        for shape in SHAPES:
            for size in sizes:
                server.forget()
                answer = process.order(600, shape=shape, size=size)
                rows.append({"shape": shape, **answer, **costs(server, answer)})
    return rows


def costs(server: Server, run: dict[str, Any]) -> dict[str, Any]:
    """Per node; and of the whole run, from which `per_edge` takes what edges add."""
    tally = server.counting.of("dag")
    each = per_task(tally, run["nodes"])
    return {
        "callsPerNode": each["callsPerTask"],
        "writeUnitsPerNode": each["writeUnits"],
        "readUnitsPerNode": each["readUnits"],
        "calls": each["calls"],
        "writeUnits": tally.write_units,
        "totalCalls": sum(tally.calls.values()),
    }


def per_edge(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an edge adds, over the same number of nodes without edges."""
    bare = {row["nodes"]: row for row in rows if row["shape"] == "independent"}
    found = []
    for row in rows:
        if row["edges"] and row["nodes"] in bare:
            without = bare[row["nodes"]]
            found.append(
                {
                    "shape": row["shape"],
                    "nodes": row["nodes"],
                    "edges": row["edges"],
                    "callsPerEdge": (row["totalCalls"] - without["totalCalls"]) / row["edges"],
                    "writeUnitsPerEdge": (row["writeUnits"] - without["writeUnits"]) / row["edges"],
                }
            )
    return found


def transitions(server: Server, sizes: Sequence[int]) -> dict[str, int]:
    """Shape → what a run of the largest size, and of three nodes, is billed for, through the local system's API and
    state machine."""
    server.forget()
    return {f"{shape} of {size}": moves(server, shape, size) for shape in SHAPES for size in (3, max(sizes))}


def moves(server: Server, shape: str, size: int) -> int:
    """Raises TimeoutError when the run does not succeed within two minutes."""
    nodes = {
        node.name: {
            "type": "BENCH_WORK",
            "payload": {"task": node.name},
            "dependsOn": list(node.depends_on),
        }
        for node in specs(shape, size)
    }
    connection = http.client.HTTPConnection(server.system.url.removeprefix("http://"))
    headers = {"content-type": "application/json", "authorization": f"Bearer {server.token}"}
    connection.request("POST", "/workflows", json.dumps({"nodes": nodes}), headers)
    run = json.loads(connection.getresponse().read())["id"]
    connection.close()

    def ended() -> list[int]:
        executions = server.system.executions()
        return [one.transitions for one in executions if run in one.name and one.status == "SUCCEEDED"]

    if not wait_until(ended, 120, pause=0.1):
        raise TimeoutError(f"{shape} of {size} nodes: {run} has not succeeded")
    return ended()[0]
