"""The kinds of panels that the dashboards are made of, each with everything that a panel must have.

The rule of this file: no panel without a title, a description, a unit, and words for the case that it has no data.
"""

# ruff: noqa: FBT003  # the builders take booleans by position

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, text, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from dashboards.generator.style import GOOD, State, mappings, steps

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
COUNT = "locale"
"""Whole numbers, with all their digits."""
AnyPanel = Builder[model.Panel]
"""A panel of any kind, ready to be put on a dashboard."""
ROW_WIDTH = 24


def number(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = COUNT,
    colours: build.ThresholdsConfig,
    states: Sequence[State] = (),
    empty: str,
    span: int = 4,
    height: int = 4,
    decimals: int | None = None,
    by: str | None = None,
    link: Mapping[str, Any] | None = None,
) -> stat.Panel:
    """One number, or one word, of now; one for each value of the label *by* if there is one."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .with_target(query(expr, legend=f"{{{{{by}}}}}" if by else title, instant=True))
        .unit(unit)
        .thresholds(colours)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .mappings(mappings(states))
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if by else common.BigValueTextMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .orientation(common.VizOrientation.AUTO)
        .reduce_options(build_common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(empty)
        .span(span)
        .height(height)
    )
    if decimals is not None:
        panel.decimals(decimals)
    if link is not None:
        panel.with_override(ANY_FIELD, [override("links", [link])])
    return panel


def timeline(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    states: Sequence[State],
    empty: str,
    span: int = ROW_WIDTH,
    height: int = 8,
    link: Mapping[str, Any] | None = None,
) -> statetimeline.Panel:
    """A bar for each series that shows its state over time; *queries* by the template of their series' names."""
    panel = (
        statetimeline.Panel()
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
        .no_value(empty)
        .span(span)
        .height(height)
    )
    add_queries(panel, queries)
    if link is not None:
        panel.with_override(ANY_FIELD, [override("links", [link])])
    return panel


def lines(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    unit: str,
    empty: str,
    colours: Mapping[str, str] | None = None,
    bars: bool = False,
    stacked: bool = False,
    span: int = 12,
    height: int = 8,
    limit: float | None = None,
    least: float | None = None,
) -> timeseries.Panel:
    """Lines over time, or bars; *queries* by the template of their series' names, *colours* by the names themselves.

    The axis ends at *limit*, if there is one, and not below *least*; where things are counted, not below one.
    """
    panel = (
        timeseries.Panel()
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
        .no_value(empty)
        .span(span)
        .height(height)
    )
    add_queries(panel, queries)
    if limit is not None:
        panel.max(limit)
    if unit == COUNT and not any("rate(" in expr for expr in queries.values()):
        panel.decimals(0)
        least = least or 1
    if least is not None:
        panel.axis_soft_max(least)
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [override("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def rows(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    columns: Mapping[str, str],
    styles: Mapping[str, Sequence[model.DynamicConfigValue]] | None = None,
    sort: str,
    ascending: bool = False,
    empty: str,
    span: int = 12,
    height: int = 8,
) -> table.Panel:
    """A table of now.

    *queries* by refId are joined by their labels. *columns* are the columns that are shown, in this order: the label,
    or "Value #A" for the value of query A (with one query "Value"), and the heading. *styles* are by heading.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(COUNT)
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(steps("text"))
        .sort_by([build_common.TableSortByFieldState().display_name(sort).desc(not ascending)])
        .no_value(empty)
        .span(span)
        .height(height)
    )
    for ref, expr in queries.items():
        panel.with_target(query(expr, instant=True, ref=ref).format(PromQueryFormat.TABLE))
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
        panel.override_by_name(heading, [NOTHING_IN_A_CELL, *[_fitting(one, heading) for one in style]])
    return panel


def _fitting(style: model.DynamicConfigValue, heading: str) -> model.DynamicConfigValue:
    return wide(max(72, 8 * len(heading) + 24)) if style is NARROW else style


def prose(title: str, content: str, *, span: int = ROW_WIDTH, height: int = 7) -> text.Panel:
    """A text for people, in Markdown."""
    return (
        text.Panel().title(title).description(title).mode(TextMode.MARKDOWN).content(content).span(span).height(height)
    )


def query(expr: str, *, legend: str = "", instant: bool = False, ref: str = "A") -> prometheus.Dataquery:
    """A query of the dashboard's data source."""
    one = prometheus.Dataquery().datasource(DATASOURCE).expr(expr).ref_id(ref)
    if legend:
        one.legend_format(legend)
    return one.instant() if instant else one.range()


def add_queries(panel: Any, queries: Mapping[str, str]) -> None:
    """Add *queries*, by the template of their series' names, to *panel*."""
    for index, (legend, expr) in enumerate(queries.items()):
        panel.with_target(query(expr, legend=legend, ref=chr(ord("A") + index)))


def override(name: str, value: object) -> model.DynamicConfigValue:
    """One property that is other than the panel's."""
    return model.DynamicConfigValue(id_val=name, value=value)


def counted(colour: str, least: int = 1) -> list[model.DynamicConfigValue]:
    """The style of a column of counts: *colour* from *least* on."""
    levels = {"mode": "absolute", "steps": [{"value": None, "color": "text"}, {"value": least, "color": colour}]}
    return [override("thresholds", levels), COLOURED]


def share(colour: str) -> list[model.DynamicConfigValue]:
    """The style of a column of shares: a bar of *colour* as long as the share is large, and the share; 0 is well."""
    levels = {"mode": "absolute", "steps": [{"value": None, "color": GOOD}, {"value": 1e-6, "color": colour}]}
    return [
        override("unit", units.PercentUnit),
        override("decimals", 0),
        override("min", 0),
        override("max", 1),
        override("thresholds", levels),
        override("custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}),
    ]


ANY_FIELD = model.MatcherConfig(id_val="byRegexp", options=".*")
COLOURED = override("custom.cellOptions", {"type": "color-text"})
NARROW = override("custom.width", None)
"""The style of a column that is no wider than its heading."""
NOTHING_IN_A_CELL = override("noValue", " ")
"""A cell without a value is empty: else it would say why the whole panel may be."""


def wide(pixels: int) -> model.DynamicConfigValue:
    """The style of a column that needs so much room."""
    return override("custom.width", pixels)
