"""The front page: where to find what."""

from exporter import __version__

_LINKS = (
    ("metrics", "Metrics", "for Prometheus"),
    ("config", "Configuration", "the one in use, every default filled in"),
    ("-/healthy", "Health", "whether the process lives"),
    ("-/ready", "Readiness", "whether every pool was sampled once"),
)


def landing_page() -> str:
    """The page as HTML; it shows nothing that comes from outside."""
    links = "".join(f'<li><a href="{path}">{name}</a>: {what}</li>' for path, name, what in _LINKS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>maildns-exporter</title></head>'
        f"<body><h1>maildns-exporter {__version__}</h1>"
        f"<p>Watches the DNS behind outbound mail.</p><ul>{links}</ul></body></html>\n"
    )
