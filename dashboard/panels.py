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


def _by_partition(metric: str, job: str) -> dict[str, str]:
    return {"partition {{partition}}": f'max by (partition) (user_directory_{metric}{{$scope,job="{job}"}})'}


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
            "Users in quarantine",
            "Users whose documents wait for an operator.",
            _COUNT,
            {"users": 'max(user_directory_projector_parked_users{$scope,job="projector"})'},
            figure=True,
        ),
        Panel(
            "Erased events without a tombstone",
            "Above zero for long: they stay in the log.",
            _COUNT,
            {"events": 'sum(user_directory_projector_erased_events_left{$scope,job="projector",stage="doomed"})'},
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
        Panel(
            "Not let in",
            "Requests a second without a token that counts, by reason: 401, 403, 503 where there are no keys.",
            _PER_SECOND,
            {"{{job}} {{reason}}": _rate("access_refusals_total", _APIS, "job, reason")},
        ),
        Panel(
            "Rate-limited",
            "Requests a second that were answered 429, by limit; uncounted: let pass, as Redis did not answer.",
            _PER_SECOND,
            {
                "{{job}} {{limit}}": _rate("rate_limited_total", _APIS, "job, limit"),
                "{{job}} uncounted": _rate("rate_limit_failures_total", _APIS, "job"),
            },
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
            _by_partition("projector_lag_records", "projector"),
        ),
        Panel(
            "Lag in seconds",
            "Age of the oldest record that is not projected yet.",
            _SECONDS,
            _by_partition("projector_lag_seconds", "projector"),
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
        Panel(
            "Erased events left",
            "Events of erased users still in the log: doomed have no tombstone yet, buried wait for compaction.",
            _COUNT,
            {"{{stage}}": 'sum by (stage) (user_directory_projector_erased_events_left{$scope,job="projector"})'},
        ),
    ),
)

RELAY: Final = Row(
    "Relay",
    (
        Panel(
            "Relay's lag in records",
            "Records in the log that are not relayed yet.",
            _COUNT,
            _by_partition("relay_lag_records", "relay"),
        ),
        Panel(
            "Relay's lag in seconds",
            "Age of the oldest record that is not relayed yet.",
            _SECONDS,
            _by_partition("relay_lag_seconds", "relay"),
        ),
        Panel(
            "Delay",
            "From the log's time stamp of an accepted event to the commit that shows it to other systems.",
            _SECONDS,
            _quantiles("relay_delay_seconds", 'job="relay"'),
        ),
        Panel(
            "Relayed events",
            "Events of the log that were dealt with, and users' states written, a second.",
            _PER_SECOND,
            {
                "events {{outcome}}": _rate("relay_events_total", 'job="relay"', "outcome"),
                "states {{kind}}": _rate("relay_states_total", 'job="relay"', "kind"),
            },
        ),
        Panel(
            "Transactions",
            "Time from the beginning of a Kafka transaction to its commit.",
            _SECONDS,
            _quantiles("relay_transaction_duration_seconds", 'job="relay"'),
        ),
        Panel(
            "Aborted transactions",
            "A second, by error; each is done again.",
            _PER_SECOND,
            {"{{error}}": _rate("relay_aborted_transactions_total", 'job="relay"', "error")},
        ),
    ),
)

ROWS: Final = (OVERVIEW, COMMAND_API, QUERY_API, PROJECTOR, RELAY)
