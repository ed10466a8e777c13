"""The families about the exporter itself, and those of `/probe`."""

from exporter.metrics.catalogue.family import Family

EVENT_LOOP_LAG = Family(
    "maildns_event_loop_lag_seconds",
    "gauge",
    (),
    "The longest time that the event loop was blocked in the last 15 seconds.",
)
BUILD_INFO = Family("maildns_build_info", "gauge", ("version", "python"), "1, with the version that runs.")
RELOAD_SUCCESSFUL = Family(
    "maildns_config_last_reload_successful",
    "gauge",
    (),
    "1 if the configuration was good when it was last read, 0 if it was bad and the previous one is still in use.",
)
RELOAD_SUCCESS_TIMESTAMP = Family(
    "maildns_config_last_reload_success_timestamp_seconds",
    "gauge",
    (),
    "When the configuration in use was read, as Unix time.",
)
PROBE_SUCCESS = Family(
    "maildns_probe_success",
    "gauge",
    (),
    "1 if the DNS answered enough to judge every check that the pool expects, passing or failing; 0 if not. In /probe "
    "only.",
)
PROBE_DURATION = Family(
    "maildns_probe_duration_seconds", "gauge", (), "How long the sample of this probe took. In /probe only."
)
