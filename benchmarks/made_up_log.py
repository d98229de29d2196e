"""A log of made-up events, written straight into Kafka: what a directory's history is made of, without its writers."""

from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaProducer

from benchmarks.crowded_directory import address_of, name_of
from projector.log_setup import prepare_log
from projector.settings import ProjectorSettings
from user_directory_events import (
    HEADERS,
    EpochOpened,
    EpochOpenedData,
    Name,
    UserDeleted,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
    encode,
    new_event_id,
    partition_of,
)
from user_directory_events.timestamps import ENDLESS, from_milliseconds

_FIRST_MS: Final = 1_795_000_000_000
# Of twenty events ten register users, and ten are about those.
_LATER: Final = ("name", "title", "e-mail", "title", "suspend", "name", "title", "e-mail", "title", "delete")
_REMEMBERED: Final = 50_000


def made_up_events(count: int, epoch: str) -> Iterator[UserEvent]:
    """Tell events of one epoch that are valid for ever: half registrations, else updates, addresses, deletions."""
    users: list[tuple[str, int, int]] = []
    registered = 0
    for number in range(count):
        envelope: dict[str, Any] = {
            "id": new_event_id(),
            "time": from_milliseconds(_FIRST_MS + number),
            "deadline": ENDLESS,
            "epoch": epoch,
            "actor": "service-account-hr-import",
            "correlationid": new_event_id(),
            "traceparent": "00-a057e05af2d9ff2bc3e5d18cb789e707-459b4648e53dacc2-01",
        }
        if number % 2 == 0 or not users:
            user_id = new_event_id()
            given, family = name_of(registered)
            fields = UserRegisteredData(
                email=address_of(registered),
                name=Name(given=given, family=family),
                display_name=f"{given} {family}",
                attributes={"department": "Research", "room": registered % 500, "title": "Engineer"},
            )
            yield UserRegistered(subject=user_id, sequence=1, data=fields, **envelope)
            users.append((user_id, registered, 1))
            registered += 1
            continue
        # A stride through those that came not too long ago, so that their users meet several events.
        chosen = number * 7919 % min(len(users), _REMEMBERED)
        user_id, person, version = users[-1 - chosen]
        envelope |= {"subject": user_id, "sequence": version + 1}
        kind = _LATER[number // 2 % len(_LATER)]
        if kind == "delete":
            yield UserDeleted(**envelope)
            users[-1 - chosen] = users[0]
            users.pop(0)
            continue
        users[-1 - chosen] = (user_id, person, version + 1)
        if kind == "suspend":
            yield UserSuspended(**envelope)
            continue
        about: dict[str, dict[str, Any]] = {
            "name": {"display_name": f"{name_of(person)[0]} {version}"},
            "e-mail": {"email": f"{person}.{version}@example.com"},
            "title": {"attributes": {"department": "Research", "room": version, "title": "Director"}},
        }
        yield UserUpdated(data=UserUpdatedData(**about[kind]), **envelope)


def write_log(settings: ProjectorSettings, count: int) -> str:
    """Write a log of so many events, under an epoch of their own, into topics made for it; return its identity."""
    log_id, epoch = prepare_log(settings), new_event_id()
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=20, batch_size=256 * 1024
    )
    try:
        for partition in range(settings.kafka_partitions):
            opened = EpochOpened(id=new_event_id(), time=from_milliseconds(0), data=EpochOpenedData(epoch=epoch))
            key, value = encode(opened)
            producer.send(settings.events_topic, key=key, value=value, headers=HEADERS, partition=partition).get(10)
        for event in made_up_events(count, epoch):
            key, value = encode(event)
            partition = partition_of(event.subject, settings.kafka_partitions)
            producer.send(settings.events_topic, key=key, value=value, headers=HEADERS, partition=partition)
        producer.flush(60)
    finally:
        producer.close()
    return log_id
