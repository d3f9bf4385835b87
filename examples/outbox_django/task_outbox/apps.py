from django.apps import AppConfig


class TaskOutboxConfig(AppConfig):
    name = "task_outbox"
    default_auto_field = "django.db.models.BigAutoField"
