"""The page /docs: whole, and from nowhere else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from falcon.testing import TestClient

from runtime.http import create_falcon_app

ROOT = Path(__file__).parents[3]
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Things"}}


@pytest.fixture
def client() -> TestClient:
    return TestClient(create_falcon_app(DOCUMENT, name="query-api", checks={}))


def places(text: str) -> list[str]:
    return re.findall(r'(?:src|href|url)(?:=|: )"([^"]+)"', text)


def test_the_page_is_html_and_all_that_it_names_is_served_here(client: TestClient) -> None:
    page = client.simulate_get("/docs", headers={"Accept": "text/html"})
    script = client.simulate_get("/docs/page.js")

    assert page.headers["content-type"].startswith("text/html")
    named = places(page.text) + places(script.text)
    assert len(named) == 9
    # The other side's document is there only behind a gateway.
    assert {place: client.simulate_get(f"/{place}").status_code for place in named} == {
        place: 404 if place == "openapi/command-api.json" else 200 for place in named
    }


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("swagger-ui.css", "text/css"), ("swagger-ui-bundle.js", "text/javascript"), ("favicon-32x32.png", "image/png")],
)
def test_a_file_comes_as_what_it_is_also_to_who_asks_for_nothing_else(
    client: TestClient, name: str, media_type: str
) -> None:
    answer = client.simulate_get(f"/docs/{name}", headers={"Accept": media_type})

    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.content) > 100


@pytest.mark.parametrize("path", ["/docs", "/docs/page.js"])
def test_a_browser_may_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    policy = client.simulate_head(path).headers["content-security-policy"]

    sources = {word for directive in policy.split("; ") for word in directive.split()[1:]}
    assert policy.startswith("default-src 'none'; ")
    assert sources == {"'none'", "'self'", "data:"}


@pytest.mark.parametrize("name", ["index.html", "page.html", "__init__.py", "..%2f__init__.py", "swagger-ui.js"])
def test_there_are_no_other_files(client: TestClient, name: str) -> None:
    answer = client.simulate_get(f"/docs/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_document_has_a_name_of_its_own_behind_a_gateway(client: TestClient) -> None:
    assert client.simulate_get("/openapi/query-api.json").json == client.simulate_get("/openapi.json").json == DOCUMENT


def test_production_has_no_flask() -> None:
    locked = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").splitlines()
    names = {line.partition("==")[0] for line in locked if "==" in line}

    assert "flask-swagger-ui" in names
    assert not names & {"flask", "werkzeug", "jinja2"}
    code = "import sys, runtime.docs_page as page; page._content('swagger-ui.css'); sys.exit('flask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
