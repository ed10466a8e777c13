"""The frame that the three dashboards share: variables, links to one another, annotations, where alerts show.

The rule of this file: uids and variables are contracts. Links, bookmarks and provisioning hang on them.
"""

# ruff: noqa: FBT003  # the builders take booleans by position

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.generator.panels import DATASOURCE, AnyPanel
from dashboards.generator.queries import VARIABLES
from dashboards.generator.style import BAD, UNKNOWN
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Family

TAG = "maildns"
FLEET_UID = "maildns-fleet"
ADDRESS_UID = "maildns-address"
EXPORTER_UID = "maildns-exporter"
TITLES = {
    FLEET_UID: "Outbound mail DNS / Fleet",
    ADDRESS_UID: "Outbound mail DNS / Address",
    EXPORTER_UID: "Outbound mail DNS / Exporter",
}

EXPORTER_URL = "http://localhost:10047"
"""Where people's browsers reach the exporter, until somebody enters it on the dashboard."""

_KEEP = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
_POOL_OF_ROW = "${__data.fields.Pool}"
_IP_OF_ROW = "${__data.fields.Address}"

ADDRESS_LINK = {
    "title": "This address over time",
    "url": f"/d/{ADDRESS_UID}?var-pool={_POOL_OF_ROW}&var-ip={_IP_OF_ROW}&{_KEEP}",
}
EVIDENCE_LINK = {
    "title": "The evidence, on the status page",
    "url": f"${{exporter}}/addresses/{_IP_OF_ROW}",
    "targetBlank": True,
}
POOL_PAGE_LINK = {
    "title": "The pool, on the status page",
    "url": f"${{exporter}}/pools/{_POOL_OF_ROW}",
    "targetBlank": True,
}
DOMAIN_PAGE_LINK = {
    "title": "The domain, on the status page",
    "url": "${exporter}/domains/${__data.fields.Domain}",
    "targetBlank": True,
}
POOL_LINK = {"title": "Only this pool", "url": f"/d/{FLEET_UID}?var-pool={_POOL_OF_ROW}&{_KEEP}"}
EXPORTER_LINK = {"title": "How the exporter is", "url": f"/d/{EXPORTER_UID}?{_KEEP}"}


def board(uid: str, description: str) -> build.Dashboard:
    """An empty dashboard with its frame, but for the variables after `instance`."""
    dashboard = (
        build.Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags([TAG, "mail", "dns"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .with_variable(
            build.DatasourceVariable("datasource").label("Data source").type("prometheus").regex("").multi(False)
        )
        .with_variable(choice("job", "Job", catalogue.BUILD_INFO, ""))
        .with_variable(choice("instance", "Exporter", catalogue.BUILD_INFO, 'job=~"$job"'))
    )
    for other, title in TITLES.items():
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
    reloaded = f"{catalogue.RELOAD_SUCCESS_TIMESTAMP.name}{{{VARIABLES}}}"
    dashboard.annotation(_annotation("New configuration", f"changes({reloaded}[2m]) > 0", UNKNOWN))
    return dashboard


def finished(dashboard: build.Dashboard) -> str:
    """The dashboard's JSON, as it is committed."""
    dashboard.with_variable(build.TextBoxVariable("exporter").label("Exporter's URL").default_value(EXPORTER_URL))
    built = dashboard.build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(built) + "\n"


def choice(
    name: str, label: str, family: Family, matchers: str, *, of: str | None = None, several: bool = True
) -> build.QueryVariable:
    """A variable whose values are those of the label *of* (its own name, if none is given) of *family*."""
    query = f"label_values({family.name}{{{matchers}}}, {of or name})"
    variable = (
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
        variable.all_value(".+").current(everything)
    return variable


def pools() -> build.QueryVariable:
    """The variable for the pools of the chosen exporters."""
    return choice("pool", "Pool", catalogue.POOL_ADDRESSES, VARIABLES)


def add_row(dashboard: build.Dashboard, title: str, panels: Sequence[AnyPanel]) -> None:
    """Add a row of *panels*, or nothing where there are none."""
    if panels:
        dashboard.with_row(build.Row(title))
        for panel in panels:
            dashboard.with_panel(panel)


def _annotation(name: str, expr: str, colour: str) -> build.AnnotationQuery:
    return build.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expr)
