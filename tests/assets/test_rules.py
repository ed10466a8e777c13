"""The rules for Prometheus: written by the generator, lint-free, and each alert fires, stays silent and resolves."""

import pytest

from tests.assets.rule_cases import ALERTS, RULES, unit_test, write_tests
from tests.assets.rules.addresses_cases import ADDRESSES
from tests.assets.rules.authentication_cases import AUTHENTICATION
from tests.assets.rules.domains_cases import DOMAINS
from tests.assets.rules.watcher_cases import WATCHER
from tests.integration.servers.prometheus import promtool

CASES = [*ADDRESSES, *AUTHENTICATION, *DOMAINS, *WATCHER]


def _slow(case):
    """All but the first two, a fleet that is well and one address that is not: promtool takes a second for each."""
    return case if case in CASES[:2] else pytest.param(*case.values, id=case.id, marks=pytest.mark.slow)


@pytest.mark.parametrize(("scraped", "expected"), [_slow(case) for case in CASES])
def test_alerts(scraped, expected, tmp_path):
    """At each minute exactly the expected alerts fire, with their labels and texts, of all that there are."""
    outcome = promtool("test", "rules", write_tests(tmp_path, [unit_test(scraped, expected)]))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_alert_is_seen_to_fire():
    """No alert is left out of the table above."""
    fired = {one.name for expected in _tried() for firing in expected.values() for one in firing}

    assert fired == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_wait_and_to_resolve(name):
    """In one case at least it does not fire at first, then does, and then does not any more."""

    def course(expected):
        fires = [any(one.name == name for one in expected[minute]) for minute in sorted(expected)]
        return True in fires and not fires[0] and not fires[-1]

    assert any(course(expected) for expected in _tried())


def _tried():
    return [case.values[1] for case in CASES]


def test_the_rules_are_lint_free():
    """Promtool finds nothing to say about them."""
    outcome = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
