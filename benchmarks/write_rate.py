"""How fast users are written, beside other ways to build such a service: `python -m benchmarks.write_rate`.

A write counts when the directory has answered 201: it is in Kafka, judged, applied, visible and unique. That of the
services on SQL is one INSERT, on disk by the database's default; that of the service on Redis is in memory. The command
API, or the other service, has core 0; Kafka, Redis, PostgreSQL, projector, relay and the load have core 1.
"""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import comparison, services
from benchmarks.comparison import Question
from benchmarks.machine import this_machine
from benchmarks.read_rate import rivals
from benchmarks.requests import loaded, registrations
from benchmarks.services import join_the_rest


def main() -> None:
    """Measure and print."""
    arguments = comparison.arguments(__doc__).parse_args()
    join_the_rest()
    with TemporaryDirectory() as name, ExitStack() as stack:
        workspace = Path(name)
        machine = this_machine(workspace)
        ours = stack.enter_context(services.directory(workspace))
        others = stack.enter_context(rivals(workspace, ours.redis, []))
        questions = []
        for connections in (1, 32, 128):
            measures = {
                side.name: loaded(
                    side.writes, registrations, connections=connections, seconds=arguments.seconds, status=201
                )
                for side in (ours, *others)
            }
            questions.append(Question(f"POST, {connections} connections", measures))
        comparison.compare(machine, questions, ours.name, arguments)


if __name__ == "__main__":
    main()
