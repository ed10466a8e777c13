"""The files that pages need: style sheet, script, icon.

The rule of this file: a closed list, read once; no path of a URL ever becomes a path of the file system.
"""

from functools import cache
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).with_name("static")
_TYPES = {"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"}


async def asset(request: web.Request) -> web.Response:
    """Serve one of the files. Their URLs in pages change with the version, so they may be kept for a day."""
    name = request.match_info["name"]
    if name not in _TYPES:
        raise web.HTTPNotFound
    response = web.Response(body=_content(name), content_type=_TYPES[name], charset="utf-8")
    response.headers["Cache-Control"] = "private, max-age=86400"
    response.enable_compression()
    return response


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
