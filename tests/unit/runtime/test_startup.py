import subprocess
import sys

import pytest

from runtime.settings import SettingsError
from runtime.startup import StartupError, main


@pytest.mark.parametrize(
    "error", [StartupError("no Kafka;\nstart it"), SettingsError("bad settings: X must be a number")]
)
def test_what_a_process_cannot_start_with_is_one_line_and_status_2(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        main(run)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.rstrip().endswith(" ".join(str(error).split()))


def test_any_other_exception_keeps_its_traceback() -> None:
    def run() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        main(run)


def test_interrupting_ends_without_a_traceback() -> None:
    def run() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        main(run)
    assert ended.value.code == 130


def test_importing_the_server_imports_no_metrics() -> None:
    program = "import runtime.server, runtime.logs, sys; print('prometheus_client' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert told == "False\n"
