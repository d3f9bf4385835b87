from typing import Any

from pydantic import BaseModel
from taskyard.tasks import Context, task


class Source(BaseModel):
    name: str


@task("EXTRACT")
def extract(ctx: Context, payload: Source) -> dict[str, int]:
    """Stands for a read of the source."""
    return {"rows": len(payload.name)}


@task("LOAD")
def load(ctx: Context, payload: Any) -> dict[str, int]:
    """Gets the results of the nodes that it depends on, by their names."""
    return {"rows": sum(result["rows"] for result in ctx.inputs.values())}
