"""Monitoring: the dashboard, the alarms, and the topic that alarms go to."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .alarm_topic import alarm_topic
from .config import oldest_message_seconds
from .functions.api import Api
from .functions.dead_letter import DeadLetter
from .functions.function import NAMESPACE, Function, camel_case
from .functions.notifier import Notifier
from .functions.observer import Observer
from .functions.producer import Producer
from .functions.shared_resources import SharedResources
from .functions.worker import Workers
from .functions.workflow import Workflow
from .pool import Pool
from .resources.lanes import Lane
from .resources.schedules import Schedules
from .resources.storage import Storage

MINUTE = cdk.Duration.minutes(1)
FIVE_MINUTES = cdk.Duration.minutes(5)
# The events of a task's life that functions count, in the order in which they happen.
LIFECYCLE_METRICS = (
    "TaskSubmitted",
    "TaskStarted",
    "TaskSucceeded",
    "TaskFailed",
    "TaskRetried",
    "TaskDeadLettered",
    "WakeupReturned",
)
NOTIFICATION_METRICS = ("NotificationDelivered", "NotificationRetried", "NotificationUndeliverable")
# Milliseconds. Drift is how late a task began, measured from its due time; wait is its time in the lane.
DURATION_METRICS = (("QueueWait", "Queue wait"), ("RunTime", "Run time"), ("Drift", "Drift at the due time"))
# Of one HTTP API in five minutes: fewer are a client's to try again.
SERVER_ERRORS = 5
SCHEDULE_METRICS = ("ScheduleFired", "ScheduleSkipped", "ScheduleMissed", "ScheduleRefused")


class Monitoring(Construct):
    """Dashboard, alarms and their topic."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        shared: SharedResources,
        api: Api,
        workers: Workers,
        dead_letter: DeadLetter,
        observer: Observer,
        workflow: Workflow,
        producer: Producer,
        notifier: Notifier,
    ) -> None:
        super().__init__(scope, id)
        config = shared.config
        self._config = config
        self._lanes = shared.lanes
        self._functions: dict[str, Function] = {
            "api": api.function,
            **{f"worker-{worker.lane.name}": worker.function for worker in workers.workers},
            "dead-letter": dead_letter.function,
            "observer": observer.function,
            "workflow": workflow.function,
            "producer": producer.function,
            "firing": producer.firing,
            "notifier": notifier.function,
        }
        self.topic = config.alarm_topic or alarm_topic(
            self, email=config.alarm_email, shared_key=shared.package.encryption.key
        )
        self._task_alarms(observer)
        self._api_alarms(api)
        self._notification_alarms(notifier)
        self._alarm(
            "RunExecutions",
            _failed_executions(workflow.machine),
            threshold=1,
            description="A workflow's execution failed: its run stays as it is until the execution is redriven.",
        )
        self._alarm(
            "AuditRecordsUnwritten",
            self._metric("AuditRecordUnwritten", statistic="Sum"),
            threshold=1,
            description="An act was done and its audit record was not written: the api function's log has it whole.",
        )
        self._schedule_alarms(producer, shared.schedules)
        # CloudWatch knows dashboards by name in all regions of an account, unlike everything else here.
        self.dashboard_name = f"{config.name}-{cdk.Stack.of(self).region}"
        self.dashboard = self._dashboard(api, observer, shared.storage) if config.dashboard else None

    def _dashboard(self, api: Api, observer: Observer, storage: Storage) -> cw.Dashboard:
        return cw.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self.dashboard_name,
            default_interval=cdk.Duration.hours(3),
            widgets=[
                [_graph("Tasks", [self._count_metric(name) for name in LIFECYCLE_METRICS], width=24)],
                [
                    _graph(title, self._duration_metrics(name, self._lanes.lanes), unit="ms")
                    for name, title in DURATION_METRICS
                ],
                self._lane_widgets(),
                self._function_widgets(),
                self._resource_widgets(api, observer, storage),
                [_graph("Notifications", [self._count_metric(name) for name in NOTIFICATION_METRICS], width=24)],
                [_graph("Schedules", [self._count_metric(name) for name in SCHEDULE_METRICS], width=24)],
            ],
        )

    def watch(self, pool: Pool) -> None:
        """Alarms and a row of the dashboard for a pool that is added."""
        for worker in pool.workers:
            lane, function = worker.lane, worker.function
            self._lane_alarms(
                lane, ids=(f"{lane.name}-dead-letters-left", f"{lane.name}-age"), timeout=worker.timeout_seconds
            )
            name = f"worker-{lane.name}"
            self._error_alarm(f"{name}-errors", name, function)
        if self.dashboard is None:
            return
        lanes = [worker.lane for worker in pool.workers]
        functions = [(worker.lane.name, worker.function.function) for worker in pool.workers]
        self.dashboard.add_widgets(
            _graph(
                f"Pool {pool.name}: queue depth",
                [
                    *_depths(lanes),
                    *(
                        lane.dead_letters.metric_number_of_messages_received(label=f"{lane.name} dead", period=MINUTE)
                        for lane in lanes
                    ),
                ],
            ),
            _graph(
                f"Pool {pool.name}: queue wait and run time",
                [metric for name in ("QueueWait", "RunTime") for metric in self._duration_metrics(name, lanes)],
                unit="ms",
            ),
            _graph(
                f"Pool {pool.name}: errors and throttles",
                [
                    metric
                    for name, function in functions
                    for metric in (
                        function.metric_errors(label=f"{name} errors", period=MINUTE),
                        function.metric_throttles(label=f"{name} throttles", period=MINUTE),
                    )
                ],
            ),
        )

    def _lane_alarms(self, lane: Lane, *, ids: tuple[str, str], timeout: int) -> None:
        self._alarm(
            ids[0],
            lane.dead_letters.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Minimum"),
            threshold=1,
            description=f"Dead letters of lane {lane.name} lie in their queue: nothing takes them.",
        )
        self._alarm(
            ids[1],
            lane.queue.metric_approximate_age_of_oldest_message(period=MINUTE),
            threshold=oldest_message_seconds(lane.config, timeout_seconds=timeout),
            description=f"Due tasks of lane {lane.name} wait: more come than its workers take.",
        )

    def _error_alarm(self, id: str, name: str, function: Function) -> None:
        self._alarm(
            id,
            self._error_metric(name, function),
            threshold=1,
            description=f"An invocation of {name} raised, timed out or died.",
        )

    def _task_alarms(self, observer: Observer) -> None:
        for lane in self._lanes.lanes:
            title = lane.name.title()
            ids = (f"{title}DeadLettersLeft", f"{title}Age")
            self._lane_alarms(lane, ids=ids, timeout=self._config.worker_timeout_seconds)
        # Invoked for dead letters only, of whatever lane: one metric instead of one for each lane's queue.
        self._alarm(
            "DeadLetters",
            self._functions["dead-letter"].function.metric_invocations(period=FIVE_MINUTES),
            threshold=1,
            description="Wake-ups crash or are throttled; the dashboard has the lane: docs/operations.md.",
        )
        for name, function in self._functions.items():
            self._error_alarm(f"{camel_case(name)}Errors", name, function)
        self._alarm(
            "ObserverFailures",
            observer.failures.metric_approximate_number_of_messages_visible(period=MINUTE),
            threshold=1,
            description="The observer gave up on changes: counts per state are off until they are put right.",
        )

    def _api_alarms(self, api: Api) -> None:
        for each in api.http_apis:
            self._alarm(
                f"{each.name.title()}ApiServerErrors",
                each.metric("5xx", period=FIVE_MINUTES),
                threshold=SERVER_ERRORS,
                description=f"The {each.name.upper()} API answers 5xx: the function is throttled, or fails.",
            )

    def _error_metric(self, name: str, function: Function) -> cw.IMetric:
        if name in ("notifier", "workflow"):
            # They raise an error when their state machine should retry: a delivery failed, a record is not yet
            # written. So Lambda's error count is no fault; they count real errors themselves.
            return self._metric(f"{camel_case(name)}Errors", statistic="Sum", period=FIVE_MINUTES)
        return function.function.metric_errors(period=FIVE_MINUTES)

    def _schedule_alarms(self, producer: Producer, schedules: Schedules) -> None:
        self._alarm(
            "FiringsFailed",
            _messages_received(producer.failures),
            threshold=1,
            description="Firings of schedules, or submits without HTTP, failed three times: tried every 5 minutes "
            "for a day.",
        )
        self._alarm(
            "FiringsDropped",
            _aws_metric(
                "AWS/Scheduler",
                "InvocationDroppedCount",
                {"ScheduleGroup": schedules.group.ref},
                statistic="Sum",
            ),
            threshold=1,
            description="EventBridge Scheduler could not call the firing function and gave firings up: "
            "docs/schedules.md.",
        )
        self._alarm(
            "SchedulesRefused",
            self._metric("ScheduleRefused", statistic="Sum"),
            threshold=1,
            description="The template of a schedule is no valid task any more: lastError in GET /schedules.",
        )

    def _notification_alarms(self, notifier: Notifier) -> None:
        self._alarm(
            "NotificationsUndeliverable",
            self._metric("NotificationUndeliverable", statistic="Sum"),
            threshold=1,
            description="Somebody was not told of a task's end for 24 hours: GET /notifications?state=UNDELIVERABLE.",
        )
        self._alarm(
            "NotificationExecutions",
            _failed_executions(notifier.machine),
            threshold=1,
            description="A notification's execution failed: it is neither delivered nor listed as undeliverable.",
        )

    def _alarm(self, id: str, metric: cw.IMetric, *, threshold: int, description: str) -> None:
        """`metric`: one alone, without a label, so that the template holds plain properties and no metric math, which
        not every tool that reads templates knows."""
        alarm = cw.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cw.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        resource = alarm.node.default_child
        assert isinstance(resource, cw.CfnAlarm)
        # As a property: the actions of aws_cloudwatch_actions would load four more modules for these two lines.
        resource.alarm_actions = [self.topic.topic_arn]
        resource.ok_actions = [self.topic.topic_arn]

    def _count_metric(self, name: str) -> cw.Metric:
        return self._metric(name, statistic="Sum", label=name)

    def _duration_metrics(self, name: str, lanes: Sequence[Lane]) -> list[cw.IMetric]:
        return [
            self._metric(name, statistic=statistic, label=f"{lane.name} {statistic}", lane=lane.name)
            for lane in lanes
            for statistic in ("p50", "p99")
        ]

    def _metric(
        self,
        name: str,
        *,
        statistic: str,
        label: str | None = None,
        lane: str | None = None,
        period: cdk.Duration = MINUTE,
    ) -> cw.Metric:
        dimensions = {"Environment": self._config.environment} | ({"Lane": lane} if lane else {})
        return cw.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            label=label,
            period=period,
        )

    def _lane_widgets(self) -> list[cw.IWidget]:
        queues = [(lane.name, lane.queue) for lane in self._lanes.lanes]
        return [
            _graph(
                "Queue depth",
                _depths(self._lanes.lanes),
            ),
            _graph(
                "Age of the oldest message",
                [queue.metric_approximate_age_of_oldest_message(label=name, period=MINUTE) for name, queue in queues],
                unit="s",
            ),
            _graph(
                "Dead letters that came",
                [
                    lane.dead_letters.metric_number_of_messages_received(label=lane.name, period=MINUTE)
                    for lane in self._lanes.lanes
                ],
            ),
        ]

    def _function_widgets(self) -> list[cw.IWidget]:
        functions = [(name, function.function) for name, function in self._functions.items()]
        return [
            _graph("Function errors", [f.metric_errors(label=name, period=MINUTE) for name, f in functions]),
            _graph("Function throttles", [f.metric_throttles(label=name, period=MINUTE) for name, f in functions]),
            _graph(
                "Function duration, p99",
                [f.metric_duration(label=name, statistic="p99", period=MINUTE) for name, f in functions],
                unit="ms",
            ),
        ]

    def _resource_widgets(self, api: Api, observer: Observer, storage: Storage) -> list[cw.IWidget]:
        table = {"TableName": storage.table.table_name}
        behind = {"FunctionName": observer.function.function.function_name}
        return [
            _graph(
                "Requests",
                [
                    each.metric(name, label=f"{each.name} {label}", period=MINUTE)
                    for each in api.http_apis
                    for name, label in (("Count", "requests"), ("4xx", "4xx"), ("5xx", "5xx"))
                ],
            ),
            _graph(
                "Observer: failures, and how far behind",
                [
                    observer.failures.metric_approximate_number_of_messages_visible(label="failed", period=MINUTE),
                    _aws_metric("AWS/Lambda", "IteratorAge", behind, statistic="Maximum", label="behind, ms"),
                ],
            ),
            _graph(
                "Table throttles",
                [
                    _aws_metric("AWS/DynamoDB", name, table, statistic="Sum", label=label)
                    for name, label in (("ReadThrottleEvents", "reads"), ("WriteThrottleEvents", "writes"))
                ],
            ),
        ]


def _depths(lanes: Sequence[Lane]) -> list[cw.IMetric]:
    return [
        *(lane.queue.metric_approximate_number_of_messages_visible(label=lane.name, period=MINUTE) for lane in lanes),
        *(
            lane.queue.metric_approximate_number_of_messages_delayed(label=f"{lane.name} delayed", period=MINUTE)
            for lane in lanes
        ),
    ]


def _messages_received(queue: sqs.Queue) -> cw.IMetric:
    """Messages received from a queue. Its depth is sampled once a minute, and would miss messages consumed sooner."""
    return queue.metric_number_of_messages_received(period=FIVE_MINUTES)


def _failed_executions(machine: sfn.CfnStateMachine) -> cw.IMetric:
    return _aws_metric("AWS/States", "ExecutionsFailed", {"StateMachineArn": machine.ref}, statistic="Sum")


def _aws_metric(
    namespace: str, name: str, dimensions: dict[str, str], *, statistic: str, label: str | None = None
) -> cw.Metric:
    return cw.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label,
        period=MINUTE,
    )


def _graph(title: str, metrics: Sequence[cw.IMetric], *, unit: str | None = None, width: int = 8) -> cw.IWidget:
    return cw.GraphWidget(
        title=title, left=list(metrics), width=width, height=6, left_y_axis=cw.YAxisProps(label=unit, min=0)
    )
