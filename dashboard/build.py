"""Build the Grafana dashboard of `panels` and write it: `python -m dashboard.build`."""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from dashboard.panels import ROWS, Panel

FILE: Final = Path(__file__).parents[1] / "charts" / "user-directory" / "files" / "dashboard.json"
SCOPE: Final = 'namespace=~"$namespace"'
"""What `$scope` of the panels stands for; it also fits metrics without a namespace, as those of compose."""
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
_FULL_WIDTH: Final = 24
_GREEN, _RED = "green", "red"


def build() -> str:
    """Return the dashboard as Grafana's JSON, with a line's end."""
    board = (
        dashboard.Dashboard("User directory")
        .uid("user-directory")
        .description("Rate, errors and duration of the APIs; verdicts, lag and promises of the projector; the relay.")
        .tags(["user-directory"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("source").label("Source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Namespace")
            .datasource(_SOURCE)
            .query('label_values(up{job="projector"}, namespace)')
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(text="All", value="$__all"))
        )
    )
    for row in ROWS:
        board = board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board = board.with_panel(_figure(panel) if panel.figure else _graph(panel))
    text: str = JSONEncoder(sort_keys=True, indent=2).encode(board.build())
    return f"{text}\n"


def _figure(panel: Panel) -> stat.Panel:
    steps = [Threshold(value=None, color=_GREEN), Threshold(value=panel.good + 0.5, color=_RED)]
    if panel.good:
        steps = [Threshold(value=None, color=_RED), Threshold(value=panel.good, color=_GREEN)]
    built = (
        stat.Panel()
        .title(panel.title)
        .description(panel.meaning)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .span(_FULL_WIDTH // 6)
        .height(4)
        .color_mode(BigValueColorMode.BACKGROUND)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    )
    for name, legend, expression in _named(panel):
        built = built.with_target(_query(legend, expression).ref_id(name).instant())
    return built


def _graph(panel: Panel) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.meaning)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .min(0)
        .span(_FULL_WIDTH // 3)
        .height(8)
        .fill_opacity(8)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
            .show_legend(True)
        )
    )
    for name, legend, expression in _named(panel):
        built = built.with_target(_query(legend, expression).ref_id(name).range())
    return built


def _named(panel: Panel) -> Iterator[tuple[str, str, str]]:
    """Yield each query with the letter that Grafana knows it by."""
    for name, (legend, expression) in zip(ascii_uppercase, panel.queries.items(), strict=False):
        yield name, legend, expression


def _query(legend: str, expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression.replace("$scope", SCOPE)).legend_format(legend)


def main() -> None:
    """Write the file."""
    FILE.write_text(build())


if __name__ == "__main__":
    main()
