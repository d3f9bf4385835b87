"""What a running system tells people and clients: how to use it, and a file with its URLs and keys."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.system import LocalSystem
from local.template.intrinsics import REGION

_HEAD = """
Taskyard is running: {url}
    API docs: {docs}
"""
_TOKENS = """\
    a token, role admin, for twelve hours:
        {token}
    a task (as one line, it can be pasted):
        curl -s {url}/tasks -H 'content-type: application/json' -H 'authorization: Bearer {token}' -d '{task}'
    other tokens: taskyard token --role viewer --tenant other --ttl 1h
"""
_SIGNATURES = """\
    the API for SigV4 signatures: {iam_url}
        export TASKYARD_URL={iam_url} TASKYARD_AUTH=iam, with the keys below, or local-<name> with the secret "local"
        curl -s {iam_url}/tasks --aws-sigv4 aws:amz:{region}:execute-api --user {key}:{secret} \\
            -H 'content-type: application/json' -d '{task}'
"""
_AWS = """\
    mail that was sent: {url}/_local/mail    logs of the functions: {logs}
    its AWS, until it stops:
        export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={region} \\
            AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
Ctrl-C stops it.
"""
_TASK = '{"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}'


def welcome(system: LocalSystem, token: str | None) -> str:
    """`token`: None for a template without an API that takes tokens."""
    text = _HEAD + (_TOKENS if token else "") + (_SIGNATURES if system.iam_url else "") + _AWS
    return text.format(
        url=system.url,
        docs=f"{system.url}/docs",
        token=token,
        task=_TASK,
        iam_url=system.iam_url,
        logs=os.path.relpath(system.directory / "logs"),
        endpoint=system.endpoint,
        region=REGION,
        key=system.admin.access_key,
        secret=system.admin.secret,
    )


@contextlib.contextmanager
def endpoint_file(system: LocalSystem, token: str | None, path: Path) -> Iterator[None]:
    """Write the file in which clients find the system's URLs, a token and the keys of its AWS, readable by its owner
    only. It is removed at the end, unless another system has replaced it."""
    aws = {
        "endpoint": system.endpoint,
        "region": REGION,
        "accessKeyId": system.admin.access_key,
        "secretAccessKey": system.admin.secret,
    }
    document: dict[str, Any] = {"url": system.url, "docs": f"{system.url}/docs", "aws": aws}
    document["controlSecret"] = system.token_secret
    if token:
        document |= {"token": token, "tokenSecret": system.token_secret}
    if system.iam_url:
        document["iamUrl"] = system.iam_url
    text = json.dumps(document) + "\n"
    path.parent.mkdir(exist_ok=True)
    # Written to a new file, then renamed: so others cannot read it, whatever mode an older file had. Clients refuse
    # a file that others may write.
    fd, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with open(fd, "w") as file:
        file.write(text)
    os.replace(beside, path)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                path.unlink()
