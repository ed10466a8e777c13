"""The words that dashboards have for labels: there are some for each reason that an address can fail for."""

from dashboards.generator.words import REASONS
from exporter.checks.verdicts import Reason


def test_every_reason_of_a_failure_has_words():
    """Those of the enumeration that come before the reasons for not knowing, and no others."""
    reasons = list(Reason)

    assert list(REASONS) == reasons[: reasons.index(Reason.TIMEOUT)]


def test_words_fit_their_column():
    """Nothing is cut off: the column has room for some forty letters."""
    assert all(0 < len(words) <= 40 for words in REASONS.values())
