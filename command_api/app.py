"""The command API, wired together."""

from functools import partial

from command_api import problems
from command_api.batch_writer import BatchWriter
from command_api.commands import ReinstateUser, SuspendUser
from command_api.description import document
from command_api.event_log import EventLog
from command_api.import_resource import IMPORT_PATH, RESULT_TYPE, Imports
from command_api.resources import Erasure, OneUser, Outcomes, Suspension, Users, Writes
from command_api.responses import Responses
from command_api.settings import CommandSettings
from command_api.store import Store
from command_api.verdicts import Verdicts
from command_api.writer import Writer
from runtime.guards import guards_of
from runtime.http import App, create_falcon_app
from runtime.tracing import tracing_of


def create_app(settings: CommandSettings, store: Store | None = None, event_log: EventLog | None = None) -> App:
    """Build the app; its clients connect when it starts. Tests give their own collaborators."""
    tracing = tracing_of(settings, "command-api")
    if tracing is None:
        store, event_log = store or Store(settings), event_log or EventLog(settings)
        verdicts = Verdicts(store)
    else:
        from command_api.write_spans import TracedEventLog, TracedStore, TracedVerdicts

        store, event_log = store or TracedStore(settings, tracing), event_log or TracedEventLog(settings, tracing)
        verdicts = TracedVerdicts(store, tracing)

    async def kafka() -> str | None:
        return None if event_log.reachable else "no broker answers"

    public_url = str(settings.public_url) if settings.public_url else None
    responses = Responses(public_url)
    writer = Writer(settings, store, event_log, verdicts)
    imports = Imports(settings, partial(BatchWriter, settings, store, event_log, writer, verdicts), responses.location)
    app = create_falcon_app(
        document(),
        name="command-api",
        checks={"kafka": kafka, "redis": store.not_ready_because},
        guards=guards_of(settings),
        tracing=tracing,
        access_log=settings.access_log,
        on_startup=[store.start, event_log.start],
        on_shutdown=[store.close, event_log.close, verdicts.close],
        on_drain=[imports.drain],
        other_media_types={IMPORT_PATH: RESULT_TYPE},
    )
    problems.install(app)
    writes = Writes(writer, store, responses, settings.max_body_bytes)
    app.add_route("/users", Users(writes))
    app.add_route(IMPORT_PATH, imports)
    app.add_route("/users/{user_id}", OneUser(writes))
    app.add_route("/users/{user_id}/suspend", Suspension(writes, SuspendUser))
    app.add_route("/users/{user_id}/reinstate", Suspension(writes, ReinstateUser))
    app.add_route("/users/{user_id}/erase", Erasure(writes))
    app.add_route("/writes/{write_token}", Outcomes(store, settings.kafka_partitions))
    return app
