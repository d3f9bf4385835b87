"""Print, as JSON, the request that botocore makes of every operation of some services: `region service...`.

Run as a script on one botocore or another, to compare them. Nothing is sent.
"""

import json
import sys
import uuid
from typing import Any

import botocore
import botocore.session
from botocore.config import Config


def sample(shape: Any, depth: int = 0) -> Any:
    """A value of that shape, with what is required and no more."""
    match shape.type_name:
        case "structure":
            members = list(shape.required_members)
            if shape.is_tagged_union:
                members = [next(iter(shape.members))]
            return {name: sample(shape.members[name], depth + 1) for name in members} if depth < 8 else {}
        case "list":
            return [sample(shape.member, depth + 1)]
        case "map":
            return {"a" * 8: sample(shape.value, depth + 1)}
        case "string":
            return shape.enum[0] if shape.enum else "a" * 64
        case "blob":
            return b"a"
        case "boolean":
            return True
        case "timestamp":
            return 1_700_000_000
        case _:
            return 1


class _Made(Exception):
    """A request is made: that is enough of it."""


def main(region: str, services: list[str]) -> None:
    uuid.uuid4 = lambda: uuid.UUID(int=1)  # type: ignore[assignment]
    made: dict[str, str] = {}

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        request = {name: params[name] for name in ("method", "url", "url_path", "query_string", "body")}
        made[f"{model.service_model.service_name}.{model.name}"] = repr(request)
        raise _Made

    session = botocore.session.Session()
    for service in services:
        config = Config(parameter_validation=False)
        client = session.create_client(
            service, region_name=region, aws_access_key_id="-", aws_secret_access_key="-", config=config
        )
        client.meta.events.register_first("before-call", note)
        for method, operation in client.meta.method_to_api_mapping.items():
            shape = client.meta.service_model.operation_model(operation).input_shape
            try:
                getattr(client, method)(**(sample(shape) if shape else {}))
            except _Made:
                pass
            except botocore.exceptions.BotoCoreError as error:
                made[f"{service}.{operation}"] = repr(error)  # of both alike: a sample that the rules refuse
    print(json.dumps({"file": botocore.__file__, "requests": made}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
