from pathlib import Path

from devstack.table import APPS
from runtime import healthcheck

ROOT = Path(__file__).parents[3]


def test_every_process_is_asked_at_its_port() -> None:
    assert {f"{app.prefix}_PORT": app.default_port for app in APPS} == healthcheck._PORTS


def test_every_process_listens_outside_its_container() -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert all(f"{app.prefix}_HOST=0.0.0.0" in image for app in APPS)
