"""What the four dashboards share: variables, links, and annotations that show alerts and reloads.

Uids and variables are contracts: links, bookmarks and provisioning depend on them.
"""

# ruff: noqa: FBT003  # the builders take booleans by position

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.generator.panels import DATASOURCE, AnyPanel, override
from dashboards.generator.promql import VARIABLES
from dashboards.generator.style import BAD, NEUTRAL
from exporter.metrics import families
from exporter.metrics.families import Family

FLEET_UID = "maildns-fleet"
DOMAINS_UID = "maildns-domains"
ADDRESS_UID = "maildns-address"
EXPORTER_UID = "maildns-exporter"
_TITLES = {
    FLEET_UID: "Outbound mail DNS / Fleet",
    DOMAINS_UID: "Outbound mail DNS / Domains",
    ADDRESS_UID: "Outbound mail DNS / Address",
    EXPORTER_UID: "Outbound mail DNS / Exporter",
}

_EXPORTER_URL = "http://localhost:10047"  # until somebody enters the URL on the dashboard

_KEEP = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
_POOL_OF_ROW = "${__data.fields.Pool}"
_IP_OF_ROW = "${__data.fields.Address}"


def _page(title: str, path: str) -> dict[str, Any]:
    """A link to a page of the exporter, in a new tab."""
    return {"title": title, "url": f"${{exporter}}{path}", "targetBlank": True}


POOL_LINKS = override(
    "links",
    [
        {"title": "Only this pool", "url": f"/d/{FLEET_UID}?var-pool={_POOL_OF_ROW}&{_KEEP}"},
        _page("The pool, on the status page", f"/pools/{_POOL_OF_ROW}"),
    ],
)
ADDRESS_LINKS = override(
    "links",
    [
        {
            "title": "This address over time",
            "url": f"/d/{ADDRESS_UID}?var-pool={_POOL_OF_ROW}&var-ip={_IP_OF_ROW}&{_KEEP}",
        },
        _page("The evidence, on the status page", f"/addresses/{_IP_OF_ROW}"),
    ],
)
DOMAIN_LINKS = override(
    "links",
    [
        {"title": "Only this domain", "url": f"/d/{DOMAINS_UID}?var-domain=${{__data.fields.Domain}}&{_KEEP}"},
        _page("The domain, on the status page", "/domains/${__data.fields.Domain}"),
    ],
)
DOMAINS_LINK = {"title": "Which domains, and what is wrong", "url": f"/d/{DOMAINS_UID}?{_KEEP}"}
EVIDENCE_LINK = _page("The evidence, on the status page", "/addresses/${ip}")
"""The page of the address that is chosen on the dashboard Address."""
EXPORTER_LINK = {"title": "The exporter's health", "url": f"/d/{EXPORTER_UID}?{_KEEP}"}


def new_dashboard(uid: str, description: str) -> build.Dashboard:
    """A dashboard without panels. The caller adds the variables that follow `instance`, and the rows."""
    dashboard = (
        build.Dashboard(_TITLES[uid])
        .uid(uid)
        .description(description)
        .tags(["maildns", "mail", "dns"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(
            build.DatasourceVariable("datasource").label("Data source").type("prometheus").regex("").multi(False)
        )
        .with_variable(variable("job", "Job", families.BUILD_INFO, ""))
        .with_variable(variable("instance", "Exporter", families.BUILD_INFO, 'job=~"$job"'))
    )
    for other, title in _TITLES.items():
        if other != uid:
            dashboard.link(
                build.DashboardLink(title.rpartition("/ ")[2])
                .type(model.DashboardLinkType.LINK)
                .url(f"/d/{other}")
                .include_vars(True)
                .keep_time(True)
            )
    dashboard.link(
        build.DashboardLink("Status page").type(model.DashboardLinkType.LINK).url("${exporter}/").target_blank(True)
    )
    dashboard.annotation(_annotation("Alerts", 'ALERTS{alertname=~"MailDns.+", alertstate="firing"}', BAD))
    reloaded = f"{families.RELOAD_SUCCESS_TIMESTAMP.name}{{{VARIABLES}}}"
    dashboard.annotation(_annotation("New configuration", f"changes({reloaded}[2m]) > 0", NEUTRAL))
    return dashboard


def to_json(dashboard: build.Dashboard) -> str:
    """The dashboard as JSON, with numbered panels."""
    dashboard.with_variable(build.TextBoxVariable("exporter").label("Exporter's URL").default_value(_EXPORTER_URL))
    built = dashboard.build()
    panels = built.panels or []
    _close_gaps(panels)
    for number, one in enumerate([own for panel in panels for own in _with_own(panel)], start=1):
        one.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(built) + "\n"


def variable(name: str, label: str, family: Family, matchers: str, *, several: bool = True) -> build.QueryVariable:
    """A variable for the values of the label *name* of *family*; *several* of them can be chosen, or one."""
    query = f"label_values({family.name}{{{matchers}}}, {name})"
    made = (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
        .multi(several)
        .include_all(several)
    )
    if several:
        everything = model.VariableOption(text="All", value="$__all", selected=True)
        made.all_value(".+").current(everything)
    return made


def pool_variable() -> build.QueryVariable:
    """The variable for the pools of the chosen exporters."""
    return variable("pool", "Pool", families.POOL_ADDRESSES, VARIABLES)


def add_row(dashboard: build.Dashboard, title: str, panels: Sequence[AnyPanel], *, is_collapsed: bool = False) -> None:
    """Add a row of *panels*. A collapsed row asks nothing until somebody opens it."""
    row = build.Row(title).collapsed(is_collapsed)
    if is_collapsed:
        for panel in panels:
            row.with_panel(panel)
    dashboard.with_row(row)
    if not is_collapsed:
        for panel in panels:
            dashboard.with_panel(panel)


def add_collapsed(dashboard: build.Dashboard, rows: Mapping[str, Sequence[AnyPanel]]) -> None:
    """Add collapsed rows by title, each with its panels."""
    for title, panels in rows.items():
        add_row(dashboard, title, panels, is_collapsed=True)


def _with_own(panel: model.Panel | model.RowPanel) -> list[model.Panel | model.RowPanel]:
    return [panel, *(panel.panels if isinstance(panel, model.RowPanel) else ())]


def _close_gaps(panels: Sequence[model.Panel | model.RowPanel]) -> None:
    """Move everything below a collapsed row up: the builder leaves room for its panels."""
    excess = 0
    for panel in panels:
        own = [one.grid_pos for one in _with_own(panel) if one.grid_pos is not None]
        for grid in own:
            grid.y -= excess
        excess += max(grid.y + grid.h for grid in own) - own[0].y - own[0].h


def _annotation(name: str, expr: str, colour: str) -> build.AnnotationQuery:
    return build.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expr)
