import uuid

from django.db import models
from django.utils import timezone


class OutboxTask(models.Model):
    """A task that is to be submitted, or that the API has refused."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    # Why the API can never accept the body: somebody has to look. Empty while the task is to be submitted.
    refusal = models.TextField(blank=True, default="")
