from pydantic import BaseModel
from taskyard.tasks import Context, task


class Report(BaseModel):
    shop: str


def totals(shop: str) -> dict[str, float]:
    """Stands for a query of your database."""
    return {"orders": 3, "revenue": 59.85}


@task("NIGHTLY_REPORT", timeout_seconds=50)
def nightly_report(ctx: Context, payload: Report) -> dict[str, float]:
    found = totals(payload.shop)
    ctx.log(f"{payload.shop}: {found['orders']} orders")
    return found
