"""The kinds of panels on the dashboards, named as Grafana names them.

Every panel has a title, a description, a unit, and a text to show when it has no data (*no_value*).
"""

# ruff: noqa: FBT003  # the builders take booleans by position

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.builders import stat as build_stat
from grafana_foundation_sdk.builders import statetimeline as build_timeline
from grafana_foundation_sdk.builders import table as build_table
from grafana_foundation_sdk.builders import text as build_text
from grafana_foundation_sdk.builders import timeseries as build_timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from dashboards.generator.style import BAD, State, column_mappings, mappings, steps

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
COUNT = "locale"
"""Whole numbers, with all their digits."""
AnyPanel = Builder[model.Panel]
"""A panel of any kind."""
_ROW_WIDTH = 24


def stat(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = COUNT,
    thresholds: build.ThresholdsConfig,
    states: Sequence[State] = (),
    no_value: str,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    by: str | None = None,
    link: Mapping[str, Any] | None = None,
) -> build_stat.Panel:
    """The current value, or the word of *states* for it; one for each value of the label *by* if it is given."""
    panel = (
        build_stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .with_target(_query(expr, legend=f"{{{{{by}}}}}" if by else title, instant=True))
        .unit(unit)
        .thresholds(thresholds)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .mappings(mappings(states))
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if by else common.BigValueTextMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .orientation(common.VizOrientation.AUTO)
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(no_value)
        .span(width)
        .height(height)
    )
    if decimals is not None:
        panel.decimals(decimals)
    if link is not None:
        panel.with_override(_ANY_FIELD, [override("links", [link])])
    return panel


def state_timeline(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    states: Sequence[State],
    no_value: str,
    width: int = _ROW_WIDTH,
    height: int = 8,
    link: Mapping[str, Any] | None = None,
) -> build_timeline.Panel:
    """The state of each series over time; *queries* maps the templates of series names to expressions."""
    panel = (
        build_timeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(units.NoUnit)
        .mappings(mappings(states))
        .thresholds(steps(states[0][2]))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .fill_opacity(85)
        .line_width(0)
        .row_height(0.8)
        .merge_values(True)
        .show_value(common.VisibilityMode.AUTO)
        .align_value(common.TimelineValueAlignment.LEFT)
        .legend(build_common.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))
        .no_value(no_value)
        .span(width)
        .height(height)
    )
    _add_queries(panel, queries)
    if link is not None:
        panel.with_override(_ANY_FIELD, [override("links", [link])])
    return panel


def time_series(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    unit: str,
    no_value: str,
    colours: Mapping[str, str] | None = None,
    bars: bool = False,
    stacked: bool = False,
    width: int = 12,
    height: int = 8,
    limit: float | None = None,
    soft_max: float | None = None,
    line: float | None = None,
) -> build_timeseries.Panel:
    """Lines or bars over time.

    *queries* maps the templates of series names to expressions, *colours* maps series names to colours. The axis ends
    at *limit*, if that is given, and never below *soft_max* (1 for counts, so that the axis has no fractions). A dashed
    line marks the value *line*, beyond which something is broken.
    """
    panel = (
        build_timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
        .line_width(0 if bars else 2)
        .fill_opacity(80 if bars else 15 if stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .stacking(
            build_common.StackingConfig().mode(
                common.StackingMode.NORMAL if stacked or bars else common.StackingMode.NONE
            )
        )
        .legend(
            build_common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
        .no_value(no_value)
        .span(width)
        .height(height)
    )
    _add_queries(panel, queries)
    if limit is not None:
        panel.max(limit)
    if unit == COUNT and not any("rate(" in expr for expr in queries.values()):
        panel.decimals(0)
        soft_max = soft_max or 1
    if soft_max is not None:
        panel.axis_soft_max(soft_max)
    if line is not None:
        dashed = build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds(steps("transparent", (line, BAD))).thresholds_style(dashed)
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [override("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def table(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    columns: Mapping[str, str],
    styles: Mapping[str, Sequence[model.DynamicConfigValue]] | None = None,
    sort: str,
    ascending: bool = False,
    no_value: str,
    width: int = 12,
    height: int = 8,
) -> build_table.Panel:
    """A table of current values.

    *queries* maps refIds to expressions, whose results are joined by their labels. *columns* maps the shown fields, in
    this order, to headings: a field is a label, or the value of query A as "Value #A" ("Value" if there is one query).
    *styles* maps headings to overrides; *sort* is a heading.
    """
    panel = (
        build_table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(COUNT)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(steps("text"))
        .sort_by([build_common.TableSortByFieldState().display_name(sort).desc(not ascending)])
        .no_value(no_value)
        .span(width)
        .height(height)
    )
    for ref, expr in queries.items():
        panel.with_target(_query(expr, instant=True, ref=ref).format(PromQueryFormat.TABLE))
    if len(queries) > 1:
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        model.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    )
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: index for index, name in enumerate(columns)},
                "renameByName": dict(columns),
            },
        )
    )
    for heading in columns.values():
        style = (styles or {}).get(heading, ())
        panel.override_by_name(heading, [_EMPTY_CELL, *[_fitted(one, heading) for one in style]])
    return panel


def _fitted(style: model.DynamicConfigValue, heading: str) -> model.DynamicConfigValue:
    return wide(max(72, 8 * len(heading) + 24)) if style is NARROW else style


def markdown(title: str, content: str, *, width: int = _ROW_WIDTH, height: int = 7) -> build_text.Panel:
    """A text in Markdown."""
    return (
        build_text.Panel()
        .title(title)
        .description(title)
        .mode(TextMode.MARKDOWN)
        .content(content)
        .span(width)
        .height(height)
    )


def _query(expr: str, *, legend: str = "", instant: bool = False, ref: str = "A") -> prometheus.Dataquery:
    """A query to the dashboard's data source."""
    one = prometheus.Dataquery().datasource(DATASOURCE).expr(expr).ref_id(ref)
    if legend:
        one.legend_format(legend)
    return one.instant() if instant else one.range()


def _add_queries(panel: Any, queries: Mapping[str, str]) -> None:
    """Add *queries*, which map templates of series names to expressions, to *panel*."""
    for index, (legend, expr) in enumerate(queries.items()):
        panel.with_target(_query(expr, legend=legend, ref=chr(ord("A") + index)))


def override(name: str, value: object) -> model.DynamicConfigValue:
    """A property of one column that differs from the panel's."""
    return model.DynamicConfigValue(id_val=name, value=value)


_ANY_FIELD = model.MatcherConfig(id_val="byRegexp", options=".*")
_EMPTY_CELL = override("noValue", " ")  # without it, an empty cell shows the text for a panel without data
COLOURED = override("custom.cellOptions", {"type": "color-text"})
NARROW = override("custom.width", None)
"""Style of a column as wide as its heading."""


def wide(pixels: int) -> model.DynamicConfigValue:
    """Style of a column of this width."""
    return override("custom.width", pixels)


def counted(*colours: str, minimum: int = 1, second: int = 1) -> list[model.DynamicConfigValue]:
    """Style of a narrow column of counts: the first of *colours* from *minimum* upwards, the next from *second*."""
    starts = zip((minimum, second), colours, strict=False)
    colour_steps: list[dict[str, object]] = [{"value": start, "color": colour} for start, colour in starts]
    levels = {"mode": "absolute", "steps": [{"value": None, "color": "text"}, *colour_steps]}
    return [override("thresholds", levels), COLOURED, NARROW]


def state_column(states: Sequence[State]) -> list[model.DynamicConfigValue]:
    """Style of a narrow column of states, shown as words."""
    return [override("mappings", column_mappings(states)), COLOURED, NARROW]


PERCENTAGE = (override("unit", units.PercentUnit), override("decimals", 1), NARROW)
"""Style of a column of shares."""
