"""Every family of metrics that the exporter shows. docs/metrics.md, the dashboards and the rules are held to this list.

The rule of this package: a family is declared once, with its labels and its HELP, in the chapter that it belongs to,
and made nowhere else. Names are contracts: other people's alerts hang on them. Whoever fills families says
`catalogue.FCRDNS_MATCH`, whichever chapter that is in: therefore the stars.
"""

from exporter.metrics.catalogue.addresses import *  # noqa: F403
from exporter.metrics.catalogue.authentication import *  # noqa: F403
from exporter.metrics.catalogue.dns import *  # noqa: F403
from exporter.metrics.catalogue.domains import *  # noqa: F403
from exporter.metrics.catalogue.family import *  # noqa: F403
from exporter.metrics.catalogue.family import Family
from exporter.metrics.catalogue.pools import *  # noqa: F403
from exporter.metrics.catalogue.runtime import *  # noqa: F403
from exporter.metrics.catalogue.samples import *  # noqa: F403
from exporter.metrics.catalogue.sources import *  # noqa: F403
from exporter.metrics.catalogue.storage import *  # noqa: F403

CATALOGUE: tuple[Family, ...] = tuple(one for one in tuple(globals().values()) if isinstance(one, Family))
"""Every family, chapter by chapter."""
