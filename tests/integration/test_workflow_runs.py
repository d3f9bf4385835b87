"""A run releases its nodes in order, each once, and is told when all have ended."""

from __future__ import annotations

from functions.core.workflows.run import Run
from functions.tasks import fail_sometimes
from tests.integration.quick import Quick
from tests.integration.workflows import FAILS, again, begin, current, nodes, spec, states, step, submit, whole


def ended_as(run: Run, *expected: str) -> bool:
    return list(states(run).values()) == list(expected)


def test_a_diamond_runs_in_order(quick: Quick):
    run = submit(quick, [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")])
    begin(quick, run)
    assert states(run) == {"a": "READY", "b": "BLOCKED", "c": "BLOCKED", "d": "BLOCKED"}
    quick.work_off()
    assert set(states(run).values()) == {"SUCCESS"}
    assert quick.told == [("token", {"outcome": "done"})]
    assert step(quick, "finish", run, outcome="done") == {"state": "SUCCESS", "counts": {"SUCCESS": 4}}


def test_a_node_reads_its_upstreams_results_by_name(quick: Quick, monkeypatch):
    from functions.worker.upstream_results import UpstreamResults

    seen = {}
    inputs = UpstreamResults.read
    monkeypatch.setattr(
        UpstreamResults, "read", lambda self, task: seen.setdefault(task.membership.name, inputs(self, task)) or {}
    )
    many = [f"m{at}" for at in range(90)]
    run, _ = whole(quick, [spec("a"), *(spec(name, "a") for name in many), spec("z", *many)])
    assert set(seen["m7"]) == {"a"}
    assert set(seen["z"]) == set(many)
    assert seen["z"]["m3"] == {"message": "m3"} | seen["z"]["m3"]
    assert set(states(run).values()) == {"SUCCESS"}


def test_a_chain_of_fifty(quick: Quick):
    run, end = whole(quick, [spec(f"n{at}", *([f"n{at - 1}"] if at else [])) for at in range(50)])
    assert end == {"state": "SUCCESS", "counts": {"SUCCESS": 50}}
    started = [task.started_at for _, task in sorted(nodes(run).items(), key=lambda item: int(item[0][1:]))]
    assert started == sorted(started)


def test_a_failed_node_skips_its_descendants_and_the_rest_goes_on(quick: Quick):
    specs = [spec("a"), spec("bad", "a", **FAILS), spec("behind", "bad"), spec("last", "behind", "c"), spec("c", "a")]
    run, end = whole(quick, specs)
    assert states(run) == {"a": "SUCCESS", "bad": "DEAD", "behind": "SKIPPED", "last": "SKIPPED", "c": "SUCCESS"}
    assert quick.told == [("token", {"outcome": "done"})]
    assert end == {"state": "FAILED", "counts": {"SUCCESS": 2, "DEAD": 1, "SKIPPED": 2}}
    assert current(run).reason == "not every node succeeded: 1 DEAD, 2 SKIPPED"


def test_a_failure_goes_through_joins(quick: Quick):
    many = [f"m{at}" for at in range(100)]
    specs = [*(spec(name, **(FAILS if name == "m50" else {})) for name in many), spec("z", *many), spec("after", "z")]
    _, end = whole(quick, specs)
    assert end == {"state": "FAILED", "counts": {"SUCCESS": 99, "DEAD": 1, "SKIPPED": 2}}


def test_on_failure_cancel_ends_what_has_not_started(quick: Quick):
    run = submit(quick, [spec("bad", **FAILS), spec("x"), spec("y", "x"), spec("z", "y")], on_failure="cancel")
    begin(quick, run)
    quick.work_off(until=lambda: bool(quick.told))
    assert quick.told[0] == ("token", {"outcome": "cancel"})
    end = step(quick, "finish", run, outcome="cancel")
    assert end["state"] == "FAILED"
    quick.work_off()
    assert states(run)["z"] == "CANCELLED"
    assert sum(end["counts"].values()) == 4


def test_a_failure_that_nobody_was_there_to_hear_is_found_by_the_next_token(quick: Quick):
    run = submit(quick, [spec("bad", **FAILS), spec("x"), spec("y", "x")], on_failure="cancel")
    step(quick, "start", run)
    begun = current(run)
    from functions.workflow import handler

    # The release step died after it had released, and with it the token that waited.
    step(quick, "release", run, token="died")
    quick.work_off(until=lambda: bool(quick.told))
    assert current(begun).has_failed_node
    quick.told.clear()
    step(quick, "release", run, token="next")
    assert quick.told == [("next", {"outcome": "cancel"})]
    assert handler.services().runs.get(run.tenant, run.id).token == "next"


def test_the_deadline_cancels_what_has_not_started(quick: Quick):
    run = submit(quick, [spec("a"), spec("b", "a")])
    begin(quick, run)
    assert step(quick, "finish", run, outcome="timeout") == {"state": "TIMED_OUT", "counts": {"CANCELLED": 2}}
    quick.work_off()
    assert ended_as(run, "CANCELLED", "CANCELLED")


def test_a_cancelled_run_that_has_no_token_yet_is_cancelled_when_it_has(quick: Quick):
    run = submit(quick, [spec("a"), spec("b", "a")])
    step(quick, "start", run)
    from functions.workflow import handler

    assert handler.services().runs.request_cancel(run).token is None
    step(quick, "release", run, token="token")
    assert quick.told == [("token", {"outcome": "cancel"})]
    assert step(quick, "finish", run, outcome="cancel") == {"state": "CANCELLED", "counts": {"CANCELLED": 2}}
    assert not quick.messages


def test_a_release_that_comes_after_its_own_retry_does_not_take_its_place(quick: Quick):
    """Step Functions gave it up, and knows its token no more."""
    run = submit(quick, [spec("a"), spec("b", "a")])
    begin(quick, run, token="first")
    step(quick, "release", run, token="second", nth=1)
    step(quick, "release", run, token="first", nth=0)
    assert not quick.told
    quick.work_off()
    assert quick.told == [("second", {"outcome": "done"})]


def test_an_execution_of_before_does_not_count_its_tries(quick: Quick):
    run = submit(quick, [spec("a")])
    step(quick, "start", run)
    step(quick, "release", run, token="token")
    quick.work_off()
    assert quick.told == [("token", {"outcome": "done"})]


def test_asked_to_cancel_it_is_cancelled_whatever_ended_it(quick: Quick):
    from functions.workflow import handler

    run = submit(quick, [spec("a")])
    step(quick, "start", run)
    handler.services().runs.request_cancel(run)
    assert step(quick, "finish", run, outcome="broken")["state"] == "CANCELLED"


def test_steps_that_run_again_change_nothing(quick: Quick):
    run = submit(quick, [spec("a"), spec("b", "a")])
    begin(quick, run)
    quick.work_off()
    begin(quick, run, token="second")
    quick.work_off()
    assert ended_as(run, "SUCCESS", "SUCCESS")
    assert quick.told[-1] == ("second", {"outcome": "done"})
    assert step(quick, "finish", run, outcome="done") == step(quick, "finish", run, outcome="done")


def test_a_node_with_a_time_of_its_own_waits_for_it_after_its_upstreams(quick: Quick):
    later = quick.clock() + 600_000
    run = submit(quick, [spec("a"), spec("b", "a", at=later)])
    begin(quick, run)
    quick.work_off(until=lambda: states(run)["b"] != "BLOCKED")
    assert states(run) == {"a": "SUCCESS", "b": "PENDING"}
    quick.work_off()
    assert nodes(run)["b"].started_at >= later


def test_no_node_expires_before_the_deadline_of_its_run(quick: Quick):
    run, _ = whole(quick, [spec("a"), spec("b", "a")])
    week = 7 * 86_400
    assert {task.expires_at for task in nodes(run).values()} == {quick.clock() // 1000 + run.deadline_seconds + week}
    left = [item for item in quick.table.items() if "expiresAt" not in item and item["sk"]["S"] != "WORKFLOW"]
    assert [item["sk"]["S"].split("#")[0] for item in left] in ([], ["DEFINITION"])


def test_a_retry_runs_only_what_did_not_succeed(quick: Quick, monkeypatch):
    many = [f"m{at}" for at in range(45)]
    specs = [*(spec(name) for name in many), spec("bad", **FAILS), spec("end", *many, "bad"), spec("free")]
    run, end = whole(quick, specs)
    assert end["counts"] == {"SUCCESS": 46, "DEAD": 1, "SKIPPED": 1}
    monkeypatch.setattr(fail_sometimes.random.Random, "random", lambda self: 1.0)
    begun = {name: nodes(run)[name].started_at for name in many}
    quick.clock.advance(60)
    second = again(quick, run)
    begin(quick, second, token="round two")
    quick.work_off()
    assert set(states(run).values()) == {"SUCCESS"}
    assert quick.told[-1] == ("round two", {"outcome": "done"})
    assert step(quick, "finish", second, outcome="done")["counts"] == {"SUCCESS": len(specs)}
    assert begun == {name: nodes(run)[name].started_at for name in many}
    assert nodes(run)["bad"].attempt == 2


def test_deliveries_of_a_round_that_is_over_leave_the_next_one_alone(quick: Quick, monkeypatch):
    """The wake-ups of the first round come again while the second one is being written."""
    specs = [spec("a"), spec("bad", "a", **FAILS), spec("behind", "bad"), spec("c", "a"), spec("z", "behind", "c")]
    run, _ = whole(quick, specs)
    late = nodes(run)
    monkeypatch.setattr(fail_sometimes.random.Random, "random", lambda self: 1.0)
    second = again(quick, run)
    from functions.workflow import handler

    steps = handler.services()
    step(quick, "start", second)
    for task in late.values():
        steps.consequences.run(task)
    assert not quick.messages
    assert states(run) == {"a": "SUCCESS", "bad": "BLOCKED", "behind": "BLOCKED", "c": "SUCCESS", "z": "BLOCKED"}
    step(quick, "release", second, token="round two")
    quick.work_off()
    assert set(states(run).values()) == {"SUCCESS"}


def test_steps_of_a_round_that_is_over_leave_the_next_one_alone(quick: Quick):
    run, _ = whole(quick, [spec("bad", **FAILS), spec("b", "bad")])
    second = again(quick, run)
    step(quick, "finish", run, outcome="done")
    step(quick, "release", run, token="zombie")
    assert quick.told[-1] == ("zombie", {"outcome": "done"})
    assert (current(run).state, current(run).round, current(run).token) == ("PENDING", 2, None)
    begin(quick, second, token="round two")
    assert states(run) == {"bad": "READY", "b": "BLOCKED"}


def test_a_start_of_a_round_that_is_over_takes_nothing_of_the_next_one_up(quick: Quick, monkeypatch):
    """It stood still between reading the run and reading the nodes."""
    from functions.workflow import handler
    from functions.workflow.run_steps import RunSteps

    run, _ = whole(quick, [spec("bad", **FAILS), spec("b", "bad")])
    second = again(quick, run)
    for round_ in (second, None):
        round_ = round_ or again(quick, second)
        begin(quick, round_, token=f"round {round_.round}")
        quick.work_off()
        step(quick, "finish", round_, outcome="done")
    monkeypatch.setattr(RunSteps, "_run", lambda *_: second)
    handler.services().start(run.tenant, run.id, 2)
    assert ended_as(run, "DEAD", "SKIPPED")


def test_a_finish_of_a_round_that_is_over_cancels_nothing_of_the_next_one(quick: Quick, monkeypatch):
    """It stood still between reading the nodes and cancelling them; another try of it ended the round meanwhile."""
    from functions.workflow import handler
    from functions.workflow.run_steps import RunSteps

    run = submit(quick, [spec("a"), spec("b", "a")])
    begin(quick, run)
    pages, stood_still = RunSteps._node_pages, []

    def slow(self, of):
        read = list(pages(self, of))
        if not stood_still:
            stood_still.append(True)
            step(quick, "finish", run, outcome="cancel")
            begin(quick, again(quick, run), token="round two")
        yield from read

    monkeypatch.setattr(RunSteps, "_node_pages", slow)
    handler.services().finish(run.tenant, run.id, 1, "cancel")
    assert states(run) == {"a": "READY", "b": "BLOCKED"}


def test_a_retry_makes_anew_what_has_expired(quick: Quick):
    run, _ = whole(quick, [spec("a"), spec("bad", "a", **FAILS), spec("b", "bad")])
    gone = nodes(run)["bad"]
    quick.table.call("delete_item", {"TableName": quick.table.name, "Key": key_of(gone.id)})
    begin(quick, again(quick, run), token="round two")
    assert states(run) == {"a": "SUCCESS", "bad": "READY", "b": "BLOCKED"}


def key_of(task_id: str) -> dict[str, dict[str, str]]:
    from functions.store import keys
    from tests.integration.cloud import TENANT

    return keys.task_key(TENANT, task_id)


def test_a_node_that_waits_for_its_next_attempt_when_its_round_has_ended_is_run_again_by_the_next(quick: Quick):
    run = submit(quick, [spec("bad", **FAILS, attempts=3), spec("b", "bad")])
    begin(quick, run)
    quick.work_off(most=1)
    assert states(run)["bad"] == "RETRY"
    # As if it had still been running when the deadline passed.
    from functions.workflow import handler

    runs = handler.services().runs
    runs.end(current(run), "TIMED_OUT", counts={}, reason=None, now=quick.clock())  # type: ignore[arg-type]
    begin(quick, again(quick, run), token="round two")
    assert states(run) == {"bad": "READY", "b": "BLOCKED"}


def test_what_was_announced_too_long_ago_is_announced_anew_before_it_is_written(quick: Quick, monkeypatch):
    """Or its wake-up could have been given up as one whose writer is dead."""
    from functions.runtime.dispatch import Dispatcher

    run = submit(quick, [spec("a"), spec("b"), spec("c", "a", "b")])
    step(quick, "start", run)
    dispatch, stood_still = Dispatcher.send_next_wakeups, []

    def slow(self, tasks, **when):
        dispatch(self, tasks, **when)
        if not stood_still:
            stood_still.append(quick.clock.advance(60))

    monkeypatch.setattr(Dispatcher, "send_next_wakeups", slow)
    step(quick, "release", run, token="token")
    assert sorted(quick.waiting()) == [f"{run.id}-0", f"{run.id}-0", f"{run.id}-1", f"{run.id}-1"]
    quick.work_off()
    assert set(states(run).values()) == {"SUCCESS"}
    assert {task.attempt for task in nodes(run).values()} == {1}


def test_a_task_outside_finds_the_results_of_nodes_by_their_ids(quick: Quick, monkeypatch):
    """Nodes of several runs may have one name."""
    from functions.worker.upstream_results import UpstreamResults
    from tests.integration.api import Api

    run, _ = whole(quick, [spec("a")])
    seen = []
    inputs = UpstreamResults.read
    monkeypatch.setattr(UpstreamResults, "read", lambda self, task: seen.append(inputs(self, task)) or {})
    Api(quick).submit(dependencies=[f"{run.id}-0"])
    quick.work_off()
    assert [set(found) for found in seen] == [{f"{run.id}-0"}]
