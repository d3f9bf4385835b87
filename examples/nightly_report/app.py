"""A report, every night at two in Berlin."""

import aws_cdk as cdk
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Report")
yard = Taskyard(stack, "Tasks", environment="report", tasks="report.tasks", auth=[Iam(), Cognito()])
yard.schedule(
    "nightly",
    cron="0 2 * * *",
    timezone="Europe/Berlin",
    task={"type": "NIGHTLY_REPORT", "payload": {"shop": "berlin"}},
    overlap="skip",
    catch_up="last",
)
app.synth()
