"""The page at /docs: Swagger UI, all of it served from here.

Its files are those of the package flask-swagger-ui, of which nothing is imported: it needs Flask, which production does
not have (docs/adr/0320-the-docs-page-is-swagger-ui-from-a-wheel.md).
"""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import falcon.asgi

from runtime.observation import Request

PAGE_PATH: Final = "/docs"
_OWN: Final = Path(__file__).parent
_TYPES: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_PAGE_TYPE: Final = "text/html; charset=utf-8"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A new release has other files under the same names.
    "Cache-Control": "max-age=300",
}
MEDIA_TYPES: Final = {PAGE_PATH: "text/html"} | {
    f"{PAGE_PATH}/{name}": media_type.partition(";")[0] for name, media_type in _TYPES.items()
}
"""What is not JSON, by its path."""


class DocsPage:
    """`/docs`."""

    async def on_get(self, _req: Request, resp: falcon.asgi.Response) -> None:
        """Answer with the page."""
        resp.set_headers(_HEADERS)
        resp.content_type = _PAGE_TYPE
        resp.data = _content("page.html")


class DocsFile:
    """A file that the page needs."""

    async def on_get(self, _req: Request, resp: falcon.asgi.Response, name: str) -> None:
        """Answer with the file."""
        if name not in _TYPES:
            raise falcon.HTTPNotFound
        resp.set_headers(_HEADERS)
        resp.content_type = _TYPES[name]
        resp.data = _content(name)


@cache
def _content(name: str) -> bytes:
    own = _OWN / name
    if own.exists():
        return own.read_bytes()
    return Path(str(distribution("flask-swagger-ui").locate_file("flask_swagger_ui/dist"))).joinpath(name).read_bytes()
