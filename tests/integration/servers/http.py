"""The little HTTP that the fixtures of Prometheus and Alertmanager need."""

import json
import urllib.error
import urllib.request
from typing import Any

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(url: str, data: object = None) -> Any:
    """GET a URL (POST *data* as JSON, if there is any) and read what it answers as JSON."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with _DIRECT.open(request, timeout=300) as response:
        return json.loads(response.read() or b"null")


def is_ok(url: str) -> bool:
    """Whether a URL answers 200."""
    try:
        with _DIRECT.open(url, timeout=10) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
