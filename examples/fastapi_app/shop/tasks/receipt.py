from pydantic import BaseModel
from taskyard.tasks import Context, task


class Receipt(BaseModel):
    order: str
    email: str


@task("SEND_RECEIPT", timeout_seconds=30)
def send_receipt(ctx: Context, payload: Receipt) -> dict[str, str]:
    def send() -> str:
        return ctx.mail.send(
            to=[payload.email], subject=f"Order {payload.order}", text="Thank you!", html=None, sender=None
        )

    return {"mail": ctx.once("send", send)}
