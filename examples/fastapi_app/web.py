"""An application that submits a task inside a request."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
from taskyard import AsyncTaskyard

web = FastAPI()


async def yard() -> AsyncIterator[AsyncTaskyard]:
    async with AsyncTaskyard(timeout=5) as made:
        yield made


class Order(BaseModel):
    email: str


@web.post("/orders/{order}", status_code=202)
async def place_order(
    order: str, body: Order, yard: Annotated[AsyncTaskyard, Depends(yard)], idempotency_key: Annotated[str, Header()]
) -> dict[str, str]:
    """A request that is sent again, under the same Idempotency-Key, is the same task."""
    payload = {"order": order, "email": body.email}
    task = await yard.submit("SEND_RECEIPT", payload, idempotency_key=f"{order}-{idempotency_key}")
    return {"task": task.id}
