"""`taskyard dev` with a user's app: it serves, and takes over what is edited."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from taskyard.local_process import local_command

from tests.e2e.user_app import greeting, write_app

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("dev")]
DEADLINE_SECONDS = 60.0


class Developing:
    """A running `dev`."""

    def __init__(self, folder: Path) -> None:
        self.folder = write_app(folder)
        self.log = folder / ".log"
        command = local_command("dev", "--app", str(folder), "--port", "0")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        self.until(lambda: "Ctrl-C stops it" in self.output())
        self.document: dict[str, Any] = json.loads((folder / ".local" / "endpoint.json").read_text())

    def output(self) -> str:
        return self.log.read_text()

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while not holds():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)

    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.document['url']}/greeting", timeout=30).json()
        return answer

    def edit(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def aws(self, service: str) -> Any:
        aws = self.document["aws"]
        return boto3.client(
            service,
            endpoint_url=aws["endpoint"],
            region_name=aws["region"],
            aws_access_key_id=aws["accessKeyId"],
            aws_secret_access_key=aws["secretAccessKey"],
        )

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def developing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Developing]:
    running = Developing(tmp_path_factory.mktemp("orders"))
    yield running
    running.close()


def test_dev_runs_the_app_of_cdk_json_with_its_context_and_its_seed(developing: Developing) -> None:
    answer = developing.answer()
    assert answer["stage"] == "test"
    assert answer["files"] == "seeded"
    assert answer["cluster"] == "arn:aws:ecs:us-east-1:123456789012:Orders-Cluster"
    assert "left out here: AWS::ECS::Cluster Cluster" in developing.output()


def test_dev_tells_a_missing_grant_in_the_words_of_aws(developing: Developing) -> None:
    assert re.search(
        r"User: arn:aws:sts::123456789012:assumed-role/Orders-Role/Orders-Worker is not authorized to perform: "
        r"s3:GetObject on resource: arn:aws:s3:::other/seed.txt",
        developing.answer()["other"],
    )


def test_dev_edited_handler_is_in_force_and_the_state_stays(developing: Developing) -> None:
    developing.aws("s3").put_object(Bucket="files", Key="seed.txt", Body=b"changed")
    developing.edit("orders/greeting.py", greeting("good day"))
    developing.until(lambda: bool(developing.answer()["greeting"] == "good day"))
    assert developing.answer()["files"] == "changed"


def test_dev_broken_handler_is_told_with_file_and_line_and_the_old_one_goes_on(developing: Developing) -> None:
    before = developing.answer()["greeting"]
    developing.edit("orders/greeting.py", "import json\nimport nothing_of_the_kind\n")
    place = f"{developing.folder}/orders/greeting.py:2: ModuleNotFoundError"
    developing.until(lambda: f"not reloaded, what ran goes on: {place}" in developing.output())
    assert developing.answer()["greeting"] == before
    developing.edit("orders/greeting.py", greeting("mended"))
    developing.until(lambda: bool(developing.answer()["greeting"] == "mended"))


def test_dev_new_resources_grants_and_variables_of_app_py_are_taken_over(developing: Developing) -> None:
    more = """
resources["Other"] = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "other"}}
resources["Policy"]["Properties"]["PolicyDocument"]["Statement"].append(allow("s3:GetObject", "arn:aws:s3:::other/*"))
resources["Worker"]["Properties"]["Environment"]["Variables"]["STAGE"] = "edited"
# more resources"""
    text = (developing.folder / "app.py").read_text()
    developing.edit("app.py", text.replace("# more resources", more))
    developing.until(lambda: bool(developing.answer()["stage"] == "edited"))
    developing.aws("s3").put_object(Bucket="other", Key="seed.txt", Body=b"new")
    assert developing.answer()["other"] == "new"


def test_dev_broken_app_py_is_told_and_what_ran_goes_on(developing: Developing) -> None:
    text = (developing.folder / "app.py").read_text()
    developing.edit("app.py", text + "\nraise RuntimeError('half an idea')\n")
    developing.until(lambda: "not taken over, what ran goes on: RuntimeError: half an idea" in developing.output())
    assert developing.answer()["greeting"]
    developing.edit("app.py", text)


def test_dev_change_that_takes_a_restart_is_named(developing: Developing) -> None:
    text = (developing.folder / "app.py").read_text()
    more = 'resources["Table"]["Properties"]["TableName"] = "renamed"\n# more resources'
    developing.edit("app.py", text.replace("# more resources", more))
    developing.until(lambda: "restart needed: Table is changed" in developing.output())
    developing.edit("app.py", text)


def test_dev_stack_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_app(tmp_path)
    command = local_command("dev", "--app", str(tmp_path), "--port", "0", "--stack", "Other")
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "no stack Other with a Taskyard; there are: Orders" in ran.stderr
