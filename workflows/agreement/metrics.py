"""Metrics of agreements: outcomes, and the duration of stages.

The SDK records none of them during a replay. Its exporter adds `_total` and `_seconds`.
"""

from datetime import timedelta
from typing import Final

from temporalio import workflow

_DAY: Final = 86_400.0
_STAGE: Final = "countersign_agreement_stage"

BUCKETS: Final = {
    _STAGE: (0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 21_600.0, _DAY, 3 * _DAY, 7 * _DAY, 30 * _DAY)
}
"""A send takes a second, a signature a week: the SDK's own buckets end at ten seconds."""


def count_end(outcome: str, resolved_by: str) -> None:
    """Count an agreement that ended.

    Args:
        outcome: How.
        resolved_by: What made us know: `webhook`, `watcher`, `poll` or `operator`.
    """
    counter = workflow.metric_meter().create_counter(
        "countersign_agreements", "Agreements that ended, by outcome and by what made us know."
    )
    counter.add(1, {"outcome": outcome, "resolved_by": resolved_by})


def time_stage(stage: str, duration: timedelta) -> None:
    """Record how long an agreement was in a stage that it leaves."""
    histogram = workflow.metric_meter().create_histogram_timedelta(
        _STAGE, "How long agreements were in a stage that they left."
    )
    histogram.record(duration, {"stage": stage})
