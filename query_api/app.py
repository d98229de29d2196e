"""The wiring of the query API: settings to collaborators to routes."""

from query_api import change_messages, errors
from query_api.change_feed import ChangeFeed
from query_api.change_log import ChangeLog
from query_api.changes import CHANGES_PATH, ChangesResource
from query_api.description import document
from query_api.direct_users import DirectUsers
from query_api.directory import Directory, DirectoryError
from query_api.export import EXPORT_PATH, ExportResource
from query_api.export import MEDIA_TYPE as EXPORT_TYPE
from query_api.freshness import Freshness
from query_api.history import HISTORY_PATH, HistoryResource
from query_api.lists import COUNT_PATH, USERS_PATH, CountResource, UsersResource
from query_api.lookup import LOOKUP_PATH, LookupResource
from query_api.past import Past
from query_api.redis_changes import RedisChanges
from query_api.redis_directory import RedisDirectory
from query_api.settings import QuerySettings
from query_api.users import USER_PATH, UserResource
from runtime.guards import guards_of
from runtime.http import App, DrainHook, Hook, create_falcon_app
from runtime.redis_connection import RedisConnection
from runtime.tracing import tracing_of
from user_directory_events import UnknownSchema


def create_app(settings: QuerySettings, directory: Directory | None = None, changes: ChangeLog | None = None) -> App:
    """Build the app; `directory` and `changes` replace Redis in tests, where there is no feed without the latter."""
    on_startup: list[Hook] = []
    on_shutdown: list[Hook] = []
    on_drain: list[DrainHook] = []
    direct: DirectUsers | None = None
    if directory is None:
        redis = RedisConnection(settings.redis_address)
        on_startup.append(redis.start)
        on_shutdown.append(redis.close)
        directory = in_redis = RedisDirectory(redis, settings.redis_key_prefix)
        direct = DirectUsers(in_redis)
        changes = RedisChanges(redis, settings.redis_key_prefix)
    feed: ChangeFeed | None = None
    if changes is not None:
        feed = ChangeFeed(
            changes,
            max_clients=settings.max_change_feed_clients,
            buffer_events=settings.change_feed_buffer_events,
            heartbeat_seconds=settings.change_feed_heartbeat_seconds,
        )
        on_shutdown.append(feed.close)
        on_drain.append(feed.drain)
    # A longer wait could be cut off by SIGTERM.
    freshness = Freshness(min(settings.max_wait_seconds, settings.drain_seconds), settings.max_waiting_reads)
    past = Past(directory)
    public_url = str(settings.public_url or "").rstrip("/")
    app = create_falcon_app(
        document(),
        name="query-api",
        checks={"read-models": directory.not_ready_because},
        guards=guards_of(settings),
        tracing=tracing_of(settings, "query-api"),
        access_log=settings.access_log,
        on_startup=on_startup,
        on_shutdown=on_shutdown,
        on_drain=on_drain,
        direct_route=direct,
        other_media_types={EXPORT_PATH: EXPORT_TYPE, CHANGES_PATH: change_messages.MEDIA_TYPE},
    )
    app.add_error_handler(DirectoryError, errors.answer)
    app.add_error_handler(UnknownSchema, errors.answer_to_newer)
    app.add_route(USERS_PATH, UsersResource(directory, freshness, public_url))
    app.add_route(COUNT_PATH, CountResource(directory, freshness))
    app.add_route(USER_PATH, UserResource(directory, past, freshness))
    app.add_route(HISTORY_PATH, HistoryResource(past, freshness, public_url))
    app.add_route(LOOKUP_PATH, LookupResource(directory, freshness, settings.max_body_bytes))
    app.add_route(EXPORT_PATH, ExportResource(directory, freshness))
    if feed is not None:
        app.add_route(CHANGES_PATH, ChangesResource(feed))
    return app
