"""What to do when a limit is met, nearest first."""

from __future__ import annotations

REMEDIES: dict[str, str] = {
    "API throttle": "`throttle_rate` in infra/config.py, to the account's quota; submit in batches, which divides it.",
    "API requests": "Submit in batches (up to 100 a request), watch fewer tasks one by one; then ask AWS for more.",
    "Lambda concurrency": "Ask AWS for more: tens of thousands are usual. Longer handlers need it in proportion.",
    "workers": "`max_concurrency` of the lane in infra/config.py, to 1,000; above it another lane; Lambda's quota.",
    "messages in flight": "Nothing to raise: shorter attempts, or more lanes. Delayed ones do not count.",
    "schedules held": "Ask AWS for more (they name billions). Delays up to 15 minutes need no schedule.",
    "schedules made": "Ask AWS for more: tens of thousands a second.",
    "schedules fired": "Ask AWS for more. Until then firings are late, none are lost: Scheduler tries for a day.",
    "executions started": "Ask AWS for more; fewer notifications, or larger runs: a run is one execution.",
    "runs answered": "Ask AWS for more: one answer a run, whatever its nodes.",
    "transitions": "Ask AWS for more: five a run, whatever its nodes.",
    "runs open": "Ask AWS for more, or set shorter deadlines.",
    "table writes": "Ask AWS for more, and warm a new table up before.",
    "table reads": "Wait for ends by notification instead of asking; then ask AWS for more.",
    "listing index writes": "Ask AWS for more. Nodes of runs are not listed.",
    "listing partition of a tenant": "`listing_shards` in infra/config.py: a listing reads each of them.",
    "dead-letter partition of a tenant": "`listing_shards` in infra/config.py; find out why so many fail.",
    "journal of the counts, writes": "`observer_window_seconds` in infra/config.py: twice the window, half the "
    "batches, and counts twice as old. Until then counts are late; no task is.",
    "journal of the counts, its reader": "`observer_batch` and the window in infra/config.py. As above.",
    "observer, one stream shard": "`observer_batch` in infra/config.py. Until then counts are late.",
    "documents": "S3 splits a busy prefix by itself, within minutes; each task is its own prefix.",
}


def remedy(what: str) -> str:
    """`what`: a Row's; of a lane, `high: workers`."""
    return REMEDIES[what if what in REMEDIES else what.split(": ")[1]]
