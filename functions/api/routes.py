"""Every route of the API. A new resource adds its routes here; nothing else lists routes."""

from __future__ import annotations

from functions.api.audit.routes import ROUTES as AUDIT_ROUTES
from functions.api.dead_letters.routes import ROUTES as DEAD_LETTER_ROUTES
from functions.api.documentation.routes import ROUTES as DOCUMENTATION_ROUTES
from functions.api.monitor.routes import ROUTES as MONITOR_ROUTES
from functions.api.notifications.routes import ROUTES as NOTIFICATION_ROUTES
from functions.api.routing import Route
from functions.api.schedules.routes import ROUTES as SCHEDULE_ROUTES
from functions.api.tasks.routes import ROUTES as TASK_ROUTES
from functions.api.workflows.routes import ROUTES as WORKFLOW_ROUTES

ROUTES: tuple[Route, ...] = (
    *TASK_ROUTES,
    *WORKFLOW_ROUTES,
    *SCHEDULE_ROUTES,
    *DEAD_LETTER_ROUTES,
    *NOTIFICATION_ROUTES,
    *AUDIT_ROUTES,
    *MONITOR_ROUTES,
    *DOCUMENTATION_ROUTES,
)


def allowed_methods(path: str) -> list[str]:
    """Methods of the routes that take this path; [] for a path that no route takes."""
    return [route.method for route in ROUTES if route.path_pattern.fullmatch(path)]
