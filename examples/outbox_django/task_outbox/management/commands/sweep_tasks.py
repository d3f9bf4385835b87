from typing import Any

from django.core.management.base import BaseCommand
from taskyard import Taskyard

from task_outbox.relay import sweep


class Command(BaseCommand):
    help = "Submit the tasks that processes left behind. Run it every minute."

    def handle(self, *args: Any, **options: Any) -> None:
        with Taskyard() as yard:
            self.stdout.write(f"{sweep(yard)} rows")
