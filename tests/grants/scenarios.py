"""Small scenarios that together use every grant of every role, by name. Each uses few: without one of them it fails
soon."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from local.aws import provisioning
from local.step_functions.state_machines import new_token
from local.template.intrinsics import ACCOUNT
from tests.grants.scene import ITEM_BYTES, LARGE_BYTES, Scene

LANES = ("high", "normal", "low")
HOUR = 3600
DAY = 24 * HOUR
NOWHERE = "http://127.0.0.1:9/"
"""Nothing listens there: a webhook is signed, then fails."""
OLD_WRITE = 0
"""When a firing's schedule was written: so long ago that its writer has ended."""
LARGE = {"filler": "x" * LARGE_BYTES}
MIDDLE = {"filler": "x" * ITEM_BYTES}


def services_of_lambda(scene: Scene) -> None:
    """What Lambda does under the roles of functions: write logs, read queues and the stream."""
    provisioning.check_permissions_of_services(scene.system.stack)


# -- the api


def submit_and_read(scene: Scene) -> None:
    scene.require(scene.submit(delaySeconds=60), "PENDING")


def submit_to(lane: str, scene: Scene) -> None:
    scene.submit(priority=lane, delaySeconds=60)


def payload_in_s3(scene: Scene) -> None:
    task = scene.submit(payload=LARGE, delaySeconds=60)
    assert scene.call("GET", f"/tasks/{task}")["payload"]["filler"] == LARGE["filler"]


def list_tasks(scene: Scene) -> None:
    task = scene.submit(delaySeconds=60)
    assert task in [each["id"] for each in scene.call("GET", "/tasks")["tasks"]]


def statistics(scene: Scene) -> None:
    scene.call("GET", "/monitor/stats")


def cancel_later_task(scene: Scene) -> None:
    """The timer is made and taken back."""
    task = scene.submit(delaySeconds=HOUR)
    scene.call("DELETE", f"/tasks/{task}")
    scene.require(task, "CANCELLED")


def cancel_with_notification(scene: Scene) -> None:
    task = scene.submit(delaySeconds=60, notify=[{"webhook": NOWHERE}])
    scene.call("DELETE", f"/tasks/{task}")


def cancel_with_dependents(scene: Scene) -> None:
    task = scene.submit(delaySeconds=60)
    dependent = scene.submit(dependencies=[task])
    scene.call("DELETE", f"/tasks/{task}")
    scene.settle()
    scene.require(dependent, "SKIPPED")


def cancel_workflow(scene: Scene) -> None:
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}, "delaySeconds": 60}})
    scene.settle()
    scene.call("DELETE", f"/workflows/{run}")
    scene.settle()
    assert scene.run_state(run) == "CANCELLED"


def schedule_life(scene: Scene) -> None:
    schedule = scene.schedule()
    scene.call("PATCH", f"/schedules/{schedule}", {"rate": "2 hours"})
    scene.call("DELETE", f"/schedules/{schedule}")


# -- the workers


def dependents_of(lane: str, scene: Scene) -> None:
    """Released into every lane."""
    task = scene.submit(priority=lane, delaySeconds=5)
    dependents = [scene.submit(priority=other, dependencies=[task]) for other in LANES]
    scene.advance(10)
    for each in dependents:
        scene.require(each, "SUCCESS")


def payload_of_item(lane: str, scene: Scene) -> None:
    scene.run(payload=MIDDLE, priority=lane)


def payload_of_s3(lane: str, scene: Scene) -> None:
    scene.run(payload=LARGE, priority=lane)


def result_in_s3(lane: str, scene: Scene) -> None:
    scene.run(payload={"result_bytes": LARGE_BYTES}, priority=lane)


def dropped_effect(lane: str, scene: Scene) -> None:
    task = scene.submit(payload={"drop_effect": True}, priority=lane)
    scene.settle()
    scene.advance(5)
    scene.require(task, "SUCCESS")


def late_retry(lane: str, scene: Scene) -> None:
    """By a timer."""
    task = scene.submit(payload={"retry_after": HOUR}, priority=lane)
    scene.settle()
    scene.require(task, "RETRY")


def looked_at_too_early(lane: str, scene: Scene) -> None:
    """A message that is shown again: the record that it announces is not written yet."""
    sqs, lanes = scene.system.aws("sqs"), scene.lanes()
    wakeup = {"tenant": ACCOUNT, "task": f"none-{scene.number()}", "generation": 1, "timeout": 1}
    name = lanes[lane].arn.rpartition(":")[2]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=json.dumps(wakeup))
    scene.settle()


def only_node_on(lane: str, scene: Scene) -> None:
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}, "priority": lane}})
    scene.settle()
    assert scene.run_state(run) == "SUCCESS"


def node_with_dependent_on(lane: str, scene: Scene) -> None:
    first = {"type": "GRANT_PROBE", "payload": {}, "priority": lane}
    run = scene.workflow({"a": first, "b": {"type": "GRANT_PROBE", "payload": {}, "dependsOn": ["a"]}})
    scene.settle()
    assert scene.run_state(run) == "SUCCESS"


def notification_from(lane: str, scene: Scene) -> None:
    scene.run(priority=lane, notify=[{"webhook": NOWHERE}])


def signed_call(lane: str, scene: Scene) -> None:
    payload = {"url": NOWHERE, "secret": f"s{scene.number()}"}
    scene.submit("WEBHOOK_CALL", payload, priority=lane, maxRetries=0)


def read_secret(lane: str, scene: Scene) -> None:
    """The secret does not exist: AWS says so only to who may read it."""
    scene.submit(payload={"secret": f"h{scene.number()}"}, priority=lane, maxRetries=0)


def mail_on(lane: str, number: int, scene: Scene) -> None:
    senders = scene.environment("worker-normal")["MAIL_SENDERS"].split(",")
    mail = {"to": "ada@example.com", "subject": "hello", "from": senders[number]}
    scene.run("SEND_EMAIL", mail, priority=lane)


# -- Scheduler, under the role of timers


def timer_to(lane: str, scene: Scene) -> None:
    task = scene.submit(delaySeconds=HOUR, priority=lane)
    scene.advance(HOUR + 65)
    scene.require(task, "SUCCESS")


def timer_past(lane: str, scene: Scene) -> None:
    """Scheduler cannot send to the lane: the wake-up goes to the dead-letter queue, and from there to the lane."""
    task = scene.submit(delaySeconds=HOUR, priority=lane)
    grant = scene.grant("TimersRole", "sqs:SendMessage", scene.lanes()[lane].arn)
    with scene.use.without(grant, expected=True):
        scene.advance(HOUR)
    scene.advance(120)
    scene.require(task, "SUCCESS")


# -- schedules


def firing_to(lane: str, scene: Scene) -> None:
    schedule = scene.schedule(task={"type": "GRANT_PROBE", "payload": {}, "priority": lane})
    scene.advance_to_firing(schedule)
    assert scene.call("GET", f"/schedules/{schedule}")["fired"] == 1
    scene.call("DELETE", f"/schedules/{schedule}")


def firing_of_workflow(scene: Scene) -> None:
    """Of one that is in a document of its own, which the observer deletes with the schedule."""
    schedule = scene.schedule(task=None, workflow={"nodes": {"a": {"type": "GRANT_PROBE", "payload": LARGE}}})
    scene.advance_to_firing(schedule)
    assert scene.call("GET", f"/schedules/{schedule}")["fired"] == 1
    scene.call("DELETE", f"/schedules/{schedule}")


def _firing(scene: Scene, schedule: str) -> dict[str, object]:
    return {
        "schedule": schedule,
        "tenant": ACCOUNT,
        "scheduledTime": "2026-01-01T00:00:00Z",
        "revision": "another",
        "writtenAt": OLD_WRITE,
    }


def firing_of_another_revision(scene: Scene) -> None:
    schedule = scene.schedule()
    scene.system.invoke("firing", _firing(scene, schedule))
    scene.call("DELETE", f"/schedules/{schedule}")


def firing_without_scheduler(scene: Scene) -> None:
    """Scheduler has lost the schedule: it is made again."""
    schedule = scene.schedule()
    scheduler = scene.system.aws("scheduler")
    for each in scheduler.list_schedules(GroupName=_schedule_group(scene))["Schedules"]:
        scheduler.delete_schedule(Name=each["Name"], GroupName=each["GroupName"])
    scene.system.invoke("firing", _firing(scene, schedule))
    assert len(scheduler.list_schedules(GroupName=_schedule_group(scene))["Schedules"]) == 1
    scene.call("DELETE", f"/schedules/{schedule}")


def firing_without_record(scene: Scene) -> None:
    scene.system.invoke("firing", _firing(scene, "0" * 26))


def firing_given_up(scene: Scene) -> None:
    _given_up(scene, "firing", "BatchGetItem", _firing(scene, "0" * 26))


def _given_up(scene: Scene, function: str, operation: str, event: object) -> None:
    """Lambda puts an asynchronous invocation that failed three times into the queue of failures."""
    name = next(spec.name for spec in scene.system.stack.functions.values() if spec.label == function)
    with scene.refusing(function, operation):
        scene.system.aws("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
        scene.settle()
        scene.advance(300)
    scene.advance(400)


def _schedule_group(scene: Scene) -> str:
    return scene.environment("firing")["SCHEDULE_GROUP"]


def failed_submit_of_later_task(scene: Scene) -> None:
    """The firing function does what the producer could not."""
    key = f"failed-{scene.number()}"
    submit = {"type": "GRANT_PROBE", "payload": {}, "delaySeconds": HOUR, "idempotencyKey": key}
    scene.put_into_failures("producer", {"submit": submit})
    assert scene.call("GET", "/tasks")["tasks"][0]["idempotencyKey"] == key


def failed_submit_of_large_payload(scene: Scene) -> None:
    """Twice: the second time it reads the payload."""
    key = f"failed-{scene.number()}"
    submit = {"type": "GRANT_PROBE", "payload": LARGE, "delaySeconds": 60, "idempotencyKey": key}
    for _ in range(2):
        scene.put_into_failures("producer", {"submit": submit})
    assert scene.call("GET", "/tasks")["tasks"][0]["idempotencyKey"] == key


# -- the producer


def produce(submit: dict[str, object], scene: Scene) -> None:
    _produce(scene, submit)


def _produce(scene: Scene, submit: dict[str, object], key: str | None = None) -> str:
    event = {"submit": {"type": "GRANT_PROBE", "payload": {}, **submit}, **({"idempotencyKey": key} if key else {})}
    answer = scene.system.invoke("producer", event)
    assert answer["status"] in (200, 201), answer
    return str(answer["task"]["id"])


def produce_twice(scene: Scene) -> None:
    """The second answer has the payload, which is in S3."""
    key = f"grant-{scene.number()}"
    tasks = {_produce(scene, {"payload": LARGE, "delaySeconds": 60}, key) for _ in range(2)}
    assert len(tasks) == 1


def produce_dependent(scene: Scene) -> None:
    _produce(scene, {"dependencies": [scene.submit(delaySeconds=60)]})


def _schedule_of_the_past(scene: Scene) -> str:
    """A schedule from before there was a firing function: Scheduler invokes the producer."""
    schedule = scene.schedule()
    scheduler = scene.system.aws("scheduler")
    group = _schedule_group(scene)
    (only,) = scheduler.list_schedules(GroupName=group)["Schedules"]
    found = scheduler.get_schedule(Name=only["Name"], GroupName=group)
    producer = next(spec.arn for spec in scene.system.stack.functions.values() if spec.label == "producer")
    fields = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State", "StartDate")
    scheduler.update_schedule(
        Name=only["Name"],
        GroupName=group,
        Target=found["Target"] | {"Arn": producer},
        **{name: found[name] for name in fields if name in found},
    )
    return schedule


def schedule_of_the_past(scene: Scene) -> None:
    scene.forget()
    schedule = _schedule_of_the_past(scene)
    scene.advance_to_firing(schedule)
    assert scene.call("GET", f"/schedules/{schedule}")["fired"] == 1
    scene.call("DELETE", f"/schedules/{schedule}")


def schedule_of_the_past_without_record(scene: Scene) -> None:
    scene.forget()
    schedule = _schedule_of_the_past(scene)
    key = {"pk": {"S": f"SCHEDULE#{ACCOUNT}#{schedule}"}, "sk": {"S": "SCHEDULE"}}
    scene.system.aws("dynamodb").delete_item(TableName=scene.table, Key=key)
    scene.system.invoke("producer", _firing(scene, schedule))


def producer_given_up(scene: Scene) -> None:
    _given_up(scene, "producer", "GetSchedule", _firing(scene, "0" * 26))


# -- workflows


def workflow_with_large_payload(scene: Scene) -> None:
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": LARGE}})
    scene.settle()
    assert scene.run_state(run) == "SUCCESS"


def workflow_with_later_node(scene: Scene) -> None:
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}, "delaySeconds": HOUR}})
    scene.settle()
    assert scene.run_state(run) == "RUNNING"


def workflow_notification(scene: Scene) -> None:
    scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}}}, notify=[{"webhook": NOWHERE}])
    scene.settle()


def workflow_cancelled_with_dependent_task(scene: Scene) -> None:
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}, "delaySeconds": 60}})
    scene.settle()
    (node,) = scene.call("GET", f"/workflows/{run}")["nodes"]
    dependent = scene.submit(dependencies=[node["id"]])
    scene.call("DELETE", f"/workflows/{run}")
    scene.settle()
    scene.require(dependent, "SKIPPED")


def release_after_the_end(scene: Scene) -> None:
    """The step answers its token at once."""
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}}})
    scene.settle()
    token = new_token(scene.system.executions()[-1].machine.arn)
    event = {"step": "release", "tenant": ACCOUNT, "run": run, "round": 1, "token": token, "nth": 0}
    scene.system.invoke("workflow", event)


# -- the notifier


def notify_by_mail(scene: Scene) -> None:
    scene.run(notify=[{"email": "ada@example.com"}])
    assert scene.system.mail()[-1].to == ["ada@example.com"]


def notify_signed(scene: Scene) -> None:
    scene.run(notify=[{"webhook": NOWHERE, "secret": f"n{scene.number()}"}])


def notify_with_result(scene: Scene) -> None:
    scene.run(payload={"result_bytes": ITEM_BYTES}, notify=[{"webhook": NOWHERE, "secret": "default"}])


# -- the dead-letter function


def dead_letter_to(lane: str, scene: Scene) -> None:
    task = scene.submit(priority=lane, delaySeconds=60)
    scene.put_into_dead_letters(task, lane=lane)
    scene.require(task, "PENDING")


def dead_letter_of_later_task(scene: Scene) -> None:
    scene.put_into_dead_letters(scene.submit(delaySeconds=HOUR))


def dead_letter_with_dependents(scene: Scene) -> None:
    task = scene.submit(delaySeconds=5)
    scene.submit(dependencies=[task])
    scene.advance(10)
    scene.put_into_dead_letters(task)


def dead_letter_with_notification(scene: Scene) -> None:
    scene.put_into_dead_letters(scene.run(notify=[{"webhook": NOWHERE}]))


def dead_letter_of_last_node(scene: Scene) -> None:
    """Its worker could not answer the run."""
    with scene.refusing("worker", "SendTaskSuccess"):
        run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}}})
        (node,) = scene.call("GET", f"/workflows/{run}")["nodes"]
        scene.put_into_dead_letters(node["id"])
    assert scene.run_state(run) == "SUCCESS"


def dead_letter_with_dependent_node(scene: Scene) -> None:
    following = {"type": "GRANT_PROBE", "payload": {}, "dependsOn": ["a"]}
    run = scene.workflow({"a": {"type": "GRANT_PROBE", "payload": {}}, "b": following})
    first, _ = scene.call("GET", f"/workflows/{run}")["nodes"]
    scene.put_into_dead_letters(first["id"])


# -- the observer


def expired_task(scene: Scene) -> None:
    scene.run(payload=LARGE)
    scene.advance(9 * DAY)
    scene.system.delete_expired()
    scene.advance(5)


def expired_run(scene: Scene) -> None:
    scene.workflow({"a": {"type": "GRANT_PROBE", "payload": MIDDLE}})
    scene.settle()
    scene.advance(60 * DAY)
    scene.system.delete_expired()
    scene.advance(5)


def _by_lane(*scenarios: Callable[[str, Scene], None]) -> dict[str, Callable[[Scene], None]]:
    return {f"{each.__name__} {lane}": partial(each, lane) for each in scenarios for lane in LANES}


def _named(*scenarios: Callable[[Scene], None]) -> dict[str, Callable[[Scene], None]]:
    return {each.__name__: each for each in scenarios}


SCENARIOS: dict[str, Callable[[Scene], None]] = {
    **_named(
        services_of_lambda,
        submit_and_read,
        payload_in_s3,
        list_tasks,
        statistics,
        cancel_later_task,
        cancel_with_notification,
        cancel_with_dependents,
        cancel_workflow,
        firing_of_workflow,
        schedule_life,
        firing_of_another_revision,
        firing_without_scheduler,
        firing_without_record,
        firing_given_up,
        failed_submit_of_later_task,
        failed_submit_of_large_payload,
        produce_twice,
        produce_dependent,
        schedule_of_the_past,
        schedule_of_the_past_without_record,
        producer_given_up,
        workflow_with_large_payload,
        workflow_with_later_node,
        workflow_notification,
        workflow_cancelled_with_dependent_task,
        release_after_the_end,
        notify_by_mail,
        notify_signed,
        notify_with_result,
        dead_letter_of_later_task,
        dead_letter_with_dependents,
        dead_letter_with_notification,
        dead_letter_of_last_node,
        dead_letter_with_dependent_node,
        expired_task,
        expired_run,
    ),
    **_by_lane(
        submit_to,
        dependents_of,
        payload_of_item,
        payload_of_s3,
        result_in_s3,
        dropped_effect,
        late_retry,
        looked_at_too_early,
        only_node_on,
        node_with_dependent_on,
        notification_from,
        signed_call,
        read_secret,
        timer_to,
        timer_past,
        firing_to,
        dead_letter_to,
    ),
    **{f"mail_on {lane} {number}": partial(mail_on, lane, number) for lane in LANES for number in (0, 1)},
    **{f"produce {lane}": partial(produce, {"priority": lane}) for lane in LANES},
    "produce later task": partial(produce, {"delaySeconds": HOUR}),
}
