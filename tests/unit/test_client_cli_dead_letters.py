"""The commands for many tasks at once and for dead letters."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client_fake import problem, task_document
from tests.unit.test_client_cli import Shell
from tests.unit.test_client_dead_letters import ScriptedApi, cancelled, redriven


def shell_of(capsys: pytest.CaptureFixture[str], *pages: dict[str, Any]) -> Shell:
    return Shell(ScriptedApi(*pages), capsys)


def asked(shell: Shell) -> list[Any]:
    return [json.loads(request.content) for request in shell.api.requests if request.content]


@pytest.mark.parametrize(
    "content",
    [
        '[{"type": "EMAIL", "idempotencyKey": "a"}, {"type": "BAD"}]',
        '{"type": "EMAIL", "idempotencyKey": "a"}\n\n{"type": "BAD"}\n',
        '{"tasks": [{"type": "EMAIL", "idempotencyKey": "a"}, {"type": "BAD"}]}',
    ],
)
def test_submit_batch_from_a_file_exits_with_the_first_refusal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    shell = shell_of(capsys)
    file = tmp_path / "tasks.jsonl"
    file.write_text(content)
    code, out, err = shell("submit-batch", str(file))
    assert code == 4
    assert "id-a  READY" in out
    assert "1 submitted, 0 submitted before, 1 not accepted" in out
    assert err.startswith("task 2: 422 Invalid")
    code, out, _ = shell("submit-batch", str(file), "--json")
    entries = json.loads(out)
    assert [entry["index"] for entry in entries] == [0, 1]
    assert entries[0]["task"]["id"] == "id-a"
    assert entries[1]["problem"]["status"] == 422
    assert entries[1]["sent"]["idempotencyKey"]


def test_submit_batch_from_stdin_submits_each_task(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shell_of(capsys)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"type": "EMAIL", "idempotencyKey": "old"}')))
    code, out, _ = shell("submit-batch", "-")
    assert code == 0
    assert "(submitted before)" in out


@pytest.mark.parametrize("content", ["", "[]", "[1]", "7", "{", '{"type": "A"}\n{', '{"tasks": []}'])
def test_submit_batch_of_a_file_without_tasks_exits_2_without_a_request(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    shell = shell_of(capsys)
    file = tmp_path / "tasks.json"
    file.write_text(content)
    assert shell("submit-batch", str(file))[0] == 2
    assert shell.api.requests == []


def test_dead_letters_lists_them_with_their_errors(capsys: pytest.CaptureFixture[str]) -> None:
    attempts = [{"number": 1, "errorType": "TimedOut", "error": "too\nslow"}]
    letters = {"tasks": [task_document("t1", "DEAD", attempts=attempts)], "cursor": None}
    shell = shell_of(capsys, letters, letters, {"tasks": [], "cursor": None})
    code, out, _ = shell("dead-letters", "--type", "EMAIL", "--error-type", "TimedOut", "--since", "2026-02-01T00:00Z")
    assert code == 0
    assert "TimedOut: too slow" in out
    assert shell.api.requests[0].url.params["errorType"] == "TimedOut"
    assert [task["id"] for task in json.loads(shell("dead-letters", "--json")[1])] == ["t1"]
    assert shell("dead-letters")[1] == "no dead letters\n"


def test_retry_handles_all_ids(capsys: pytest.CaptureFixture[str]) -> None:
    shell = shell_of(capsys, task_document("t2", "READY"))
    shell.api.answers = [problem(409, "Not in this state", detail="it is RUNNING")]
    code, out, err = shell("retry", "t1", "t2", "--attempts", "2")
    assert code == 4
    assert "t2  READY" in out
    assert "it is RUNNING" in err
    assert asked(shell) == [{"attempts": 2}] * 2


def test_redrive_prints_progress_and_sums(capsys: pytest.CaptureFixture[str]) -> None:
    shell = shell_of(capsys, redriven("a"), redriven(None))
    code, out, err = shell("redrive", "--type", "EMAIL", "--rate", "0.5", "--attempts", "1")
    assert code == 0
    assert err == "2 are run again, 1 skipped …\n"
    assert out.startswith("4 are run again, 2 skipped, the last is due ")
    assert asked(shell)[0] == {"type": "EMAIL", "ratePerSecond": 0.5, "attempts": 1, "dryRun": False}


def test_redrive_as_json_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    shell = shell_of(capsys, redriven("a", dryRun=True), redriven(None, dryRun=True))
    code, out, err = shell("redrive", "--dry-run", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "matched": 6,
        "redriven": 4,
        "skipped": 2,
        "dryRun": True,
        "lastDue": "2026-02-01T10:00:00.000Z",
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "runs"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_redrive_on_a_terminal_shows_the_count_and_asks_for_confirmation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str, runs: bool
) -> None:
    shell = shell_of(capsys, redriven(None, dryRun=True, redriven=0), redriven(None))
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, _, err = shell("redrive", "--rate", "3")
    assert code == 0
    assert "Run 2 dead letters again, 3 per second? [y/N]" in err
    assert [body["dryRun"] for body in asked(shell)] == ([True, False] if runs else [True])
    assert ("nothing was run again" in err) == (not runs)


def test_redrive_with_yes_does_not_ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shell_of(capsys, redriven(None))
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert shell("redrive", "--yes")[0] == 0
    assert [body["dryRun"] for body in asked(shell)] == [False]


def test_confirmation_at_the_end_of_input_is_no(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shell_of(capsys, redriven(None, dryRun=True))
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    code, _, err = shell("redrive")
    assert code == 0
    assert "nothing was run again" in err


def test_cancel_by_filter_prints_cancelled_and_refused_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    shell = shell_of(capsys, cancelled(["a"]), cancelled(["a"]))
    code, out, err = shell("cancel", "--type", "EMAIL", "--state", "pending", "--tag", "a=b", "--reason", "why")
    assert code == 0
    assert "a  CANCELLED" in out
    assert "it is RUNNING" in err
    assert asked(shell) == [{"type": "EMAIL", "state": "PENDING", "tags": {"a": "b"}, "dryRun": False, "reason": "why"}]
    code, out, _ = shell("cancel", "a", "not-a", "--dry-run", "--json")
    assert code == 4
    assert json.loads(out)["cancelled"] == ["a"]


@pytest.mark.parametrize("argv", [("cancel",), ("cancel", "a", "--type", "B"), ("cancel", "--dry-run"), ("retry",)])
def test_wrong_command_line_exits_2(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]) -> None:
    shell = shell_of(capsys)
    code, _, err = shell(*argv)
    assert (code, shell.api.requests) == (2, [])
    assert err
