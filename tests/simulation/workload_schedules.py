"""What clients do with schedules. Each ends some minutes from now, or is deleted: a world must come to rest."""

from __future__ import annotations

from typing import Any

from tests.simulation.client import Client
from tests.simulation.fibers import SECOND
from tests.simulation.handlers import TYPE
from tests.simulation.workload import some, workload

CRONS = ("* * * * *", "*/2 * * * *", "0-59/3 * * * *")


def minutely(client: Client, *, minutes: int = 6, **fields: Any) -> dict[str, Any]:
    when = some(client, {"rate": "1 minute"}, {"rate": "2 minutes"}, *({"cron": cron} for cron in CRONS))
    task = {"type": TYPE, "payload": {"seconds": some(client, 0, 0, 15)}, "priority": some(client, 5, 8)}
    return {
        "task": task,
        "endAt": client.at(60 * minutes)[1],
        "catchUp": some(client, "none", "last"),
        **when,
        **fields,
    }


@workload
def scheduled(client: Client) -> None:
    client.schedule(**minutely(client, minutes=some(client, 3, 10)))


@workload
def scheduled_one_at_a_time(client: Client) -> None:
    """Its task runs for longer than it is until the next."""
    fields = minutely(client, overlap="skip")
    fields["task"]["payload"] = {"outcomes": some(client, ["retry:100", "ok"], ["retry:40", "ok"], ["ok"])}
    schedule = client.schedule(**fields)
    if schedule and some(client, True, False):
        client.sleep(some(client, 30, 90, 121))
        client.request("POST", f"/schedules/{schedule}/run", key=client.world.identity("key"))


@workload
def scheduled_workflow(client: Client) -> None:
    """One with a long text is in a document of its own. It is changed while it fires, and mostly deleted."""
    schedule = client.schedule(**workflow_fields(client, overlap=some(client, "allow", "skip")))
    if schedule is None:
        return
    client.sleep(some(client, 30, 61, 130))
    if some(client, True, False):
        client.request("POST", f"/schedules/{schedule}/run", key=client.world.identity("key"))
    client.request("PATCH", f"/schedules/{schedule}", {"workflow": workflow_fields(client)["workflow"]})
    client.sleep(some(client, 1, 59, 120))
    if some(client, True, True, False):
        client.delete_schedule(schedule)


def workflow_fields(client: Client, **fields: Any) -> dict[str, Any]:
    """Two nodes, one after the other."""
    made = minutely(client, **fields)
    node = {"type": TYPE, "payload": {"seconds": some(client, 0, 15), "text": "x" * some(client, 0, 5000)}}
    del made["task"]
    return {**made, "workflow": {"nodes": {"first": node, "second": {**node, "dependsOn": ["first"]}}}}


@workload
def paused_schedule(client: Client) -> None:
    """And mostly resumed."""
    schedule = client.schedule(**minutely(client, minutes=12))
    if schedule is None:
        return
    client.sleep(some(client, 0, 60, 119, 121))
    client.request("PATCH", f"/schedules/{schedule}", {"paused": True})
    client.sleep(some(client, 1, 30, 240))
    if some(client, True, True, False):
        client.request("PATCH", f"/schedules/{schedule}", {"paused": False})


@workload
def deleted_schedule(client: Client) -> None:
    """Without an end: whatever a crash leaves of it has to be found and ended by the system itself."""
    fields = minutely(client)
    del fields["endAt"]
    schedule = client.schedule(**fields)
    if schedule is None:
        return
    client.sleep(some(client, 0, 59, 61, 150))
    client.delete_schedule(schedule)


@workload
def changed_schedule(client: Client) -> None:
    """By two people at once."""
    schedule = client.schedule(**minutely(client))
    if schedule is None:
        return

    def change() -> None:
        mine = Client(client.world)
        for _ in range(2):
            mine.sleep(some(mine, 0, 1, 60, 100))
            fields = some(mine, {"rate": "1 minute"}, {"cron": "*/2 * * * *"}, {"paused": True}, {"paused": False})
            mine.request("PATCH", f"/schedules/{schedule}", fields)

    for _ in range(some(client, 1, 2)):
        client.world.client(change)
    if some(client, True, False):
        client.sleep(some(client, 2, 61))
        client.delete_schedule(schedule)


@workload
def lost_schedule(client: Client) -> None:
    """Asked for once, without an end, by somebody who never asks again; found in the list, it is deleted."""
    fields = minutely(client)
    del fields["endAt"]
    client.request("POST", "/schedules", fields)
    until = client.world.hub.now + 1800 * SECOND
    while client.world.hub.now < until:
        client.sleep(400)
        for found in client.surely("GET", "/schedules").document["schedules"]:
            if found["endAt"] is None:
                client.delete_schedule(found["id"])
