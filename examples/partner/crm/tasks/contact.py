import json

from pydantic import BaseModel
from taskyard.tasks import Context, Permanent, Retry, task
from taskyard.tasks.http import HttpRequest


class Contact(BaseModel):
    url: str
    name: str


@task("CREATE_CONTACT", timeout_seconds=30)
def create_contact(ctx: Context, payload: Contact) -> dict[str, int]:
    request = HttpRequest(
        method="POST",
        url=payload.url,
        body=json.dumps({"name": payload.name}).encode(),
        headers={"content-type": "application/json", "idempotency-key": ctx.task_id},
        first_origin_headers={"authorization": f"Bearer {ctx.secret('partner')}"},  # not sent on to where it redirects
    )
    answer = ctx.http.send(request, seconds=10)
    if answer.status == 429 or answer.status >= 500:
        raise Retry(f"the partner answered {answer.status}")
    if answer.status >= 400:
        raise Permanent(f"the partner refused: {answer.status}")
    return {"status": answer.status}
