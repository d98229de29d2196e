"""What the dashboard shows, as data: one row for each process, one panel for each question.

Every selector begins with `$scope`, which stands for the namespaces that the reader has chosen, and names the job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RATE: Final = "$__rate_interval"
_SECONDS: Final = "s"
_PER_SECOND: Final = "ops"
_RATIO: Final = "percentunit"
_COUNT: Final = "short"
_APIS: Final = 'job=~"command-api|query-api"'
_EVERY_PROCESS: Final = 'job=~"command-api|query-api|projector|relay"'


@dataclass(frozen=True)
class Panel:
    """A question and its queries, by the legend of what they give."""

    title: str
    meaning: str
    unit: str
    queries: Mapping[str, str]
    figure: bool = False
    """Show the present value as a figure, red unless it is `good`."""
    good: float = 0


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, selector: str, by: str) -> str:
    return f"sum by ({by}) (rate(user_directory_{metric}{{$scope,{selector}}}[{RATE}]))"


def _by_partition(metric: str) -> dict[str, str]:
    return {"partition {{partition}}": f'max by (partition) (user_directory_{metric}{{$scope,job="projector"}})'}


def _last_hour(ratio: str) -> dict[str, str]:
    return {"{{job}}": f"namespace_job:user_directory_http_requests_{ratio}:ratio_rate1h{{$scope,{_APIS}}}"}


def _quantile(quantile: float, metric: str, selector: str, by: str = "") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({quantile}, {_rate(f'{metric}_bucket', selector, labels)})"


def _quantiles(metric: str, selector: str) -> dict[str, str]:
    return {f"p{round(100 * q)}": _quantile(q, metric, selector) for q in (0.5, 0.9, 0.99)}


def _api(job: str) -> tuple[Panel, ...]:
    """Ask an API by the RED method: rate, errors, duration."""
    selector = f'job="{job}"'
    duration = "http_request_duration_seconds"
    return (
        Panel(
            "Requests",
            "Requests a second by route and method.",
            _PER_SECOND,
            {"{{method}} {{route}}": _rate(f"{duration}_count", selector, "method, route")},
        ),
        Panel(
            "Answers",
            "Answers a second by status; 5xx use up the error budget.",
            _PER_SECOND,
            {"{{status}}": _rate(f"{duration}_count", selector, "status")},
        ),
        Panel(
            "Duration, 99th percentile",
            "From the request's headers to its answer; streams last as long as their client likes.",
            _SECONDS,
            {"{{method}} {{route}}": _quantile(0.99, duration, selector, "method, route")},
        ),
    )


OVERVIEW: Final = Row(
    "Promises",
    (
        Panel(
            "Writes let in",
            "1 while the guard is ready.",
            _COUNT,
            {"guard": 'max(user_directory_projector_guard_ready{$scope,job="projector"})'},
            figure=True,
            good=1,
        ),
        Panel(
            "Values owned twice",
            "Must stay zero.",
            _COUNT,
            {"values": 'max(user_directory_projector_double_owners{$scope,job="projector"})'},
            figure=True,
        ),
        Panel(
            "Events judged twice",
            "Copies of an event id in the log. Must stay zero.",
            _COUNT,
            {"copies": 'sum(user_directory_projector_duplicate_events_total{$scope,job="projector"})'},
            figure=True,
        ),
        Panel(
            "Quarantined",
            "Records that could not be applied, since the projectors started.",
            _COUNT,
            {"records": 'sum(user_directory_projector_quarantined_records_total{$scope,job="projector"})'},
            figure=True,
        ),
        Panel(
            "Copies that answer",
            "Processes that Prometheus reaches.",
            _COUNT,
            {"{{job}}": f"sum by (job) (up{{$scope,{_EVERY_PROCESS}}})"},
        ),
        Panel(
            "Failed requests",
            "Part of the last hour's requests that were answered 5xx; the objective is 0.1 %.",
            _RATIO,
            _last_hour("failed"),
        ),
        Panel(
            "Slow requests",
            "Part of the last hour's requests that took more than 250 ms (reads), 1 s (writes); the objective is 1 %.",
            _RATIO,
            _last_hour("slow"),
        ),
    ),
)

COMMAND_API: Final = Row(
    "Command API",
    (
        *_api("command-api"),
        Panel(
            "Writes",
            "By command and by what came of them.",
            _PER_SECOND,
            {"{{command}} {{outcome}}": _rate("writes_total", 'job="command-api"', "command, outcome")},
        ),
        Panel(
            "Appends",
            "Events sent to Kafka by what came of it.",
            _PER_SECOND,
            {"{{outcome}}": _rate("appends_total", 'job="command-api"', "outcome")},
        ),
        Panel(
            "Append",
            "From the send of an event to Kafka's acknowledgement.",
            _SECONDS,
            _quantiles("append_duration_seconds", 'job="command-api"'),
        ),
        Panel(
            "Verdict",
            "From Kafka's acknowledgement to the projector's verdict.",
            _SECONDS,
            _quantiles("verdict_wait_seconds", 'job="command-api"'),
        ),
        Panel(
            "Redecisions",
            "Writes decided anew, by reason.",
            _PER_SECOND,
            {"{{reason}}": _rate("redecisions_total", 'job="command-api"', "reason")},
        ),
        Panel(
            "Waiting",
            "Requests without an answer; writes without a verdict.",
            _COUNT,
            {
                "requests": 'sum(user_directory_http_requests_in_flight{$scope,job="command-api"})',
                "writes": 'sum(user_directory_writes_waiting{$scope,job="command-api"})',
            },
        ),
    ),
)

QUERY_API: Final = Row(
    "Query API",
    (
        *_api("query-api"),
        Panel(
            "Waits for consistency",
            "Time that reads waited for the state of their consistency token.",
            _SECONDS,
            _quantiles("consistency_wait_seconds", 'job="query-api"'),
        ),
        Panel(
            "Change feed",
            "Clients that follow; changes sent a second.",
            _COUNT,
            {
                "clients": 'sum(user_directory_change_feed_clients{$scope,job="query-api"})',
                "changes a second": _rate("change_feed_events_total", 'job="query-api"', "job"),
            },
        ),
    ),
)

PROJECTOR: Final = Row(
    "Projector",
    (
        Panel(
            "Lag in records",
            "Records in the log that are not projected yet.",
            _COUNT,
            _by_partition("projector_lag_records"),
        ),
        Panel(
            "Lag in seconds",
            "Age of the oldest record that is not projected yet.",
            _SECONDS,
            _by_partition("projector_lag_seconds"),
        ),
        Panel(
            "Records",
            "Projected records a second by kind and verdict.",
            _PER_SECOND,
            {"{{kind}} {{verdict}}": _rate("projector_records_total", 'job="projector"', "kind, verdict")},
        ),
        Panel(
            "Time in Redis",
            "Time that one batch took.",
            _SECONDS,
            _quantiles("projector_apply_duration_seconds", 'job="projector"'),
        ),
        Panel(
            "Records a batch",
            "Records applied to Redis in one step.",
            _COUNT,
            _quantiles("projector_batch_records", 'job="projector"'),
        ),
        Panel(
            "Epochs",
            "Epochs opened in an hour: one for each loss of Redis.",
            _COUNT,
            {"opened": 'sum(increase(user_directory_projector_epochs_opened_total{$scope,job="projector"}[1h]))'},
        ),
    ),
)

ROWS: Final = (OVERVIEW, COMMAND_API, QUERY_API, PROJECTOR)
