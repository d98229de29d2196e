"""Records of the log that belong to no user."""

from typing import Annotated, Literal

from pydantic import Field

from user_directory_events.user_events import Envelope, Frozen, NoData


class LogIdentityData(Frozen):
    """What is fixed for the life of a log."""

    log_id: Annotated[str, Field(min_length=36, max_length=36, description="UUID; names the log")]
    partitions: Annotated[int, Field(ge=1, description="How many the topic has, for ever")]


class LogIdentity(Envelope):
    """The first record of partition 0: names the log and fixes its partition count for ever."""

    type: Literal["log.identity"] = "log.identity"
    dataschema: Literal["log.identity/1"] = "log.identity/1"
    data: LogIdentityData


class EpochOpenedData(Frozen):
    """An epoch under which events are accepted from here on in this partition."""

    epoch: Annotated[str, Field(min_length=1, description="Its name, which events carry")]


class EpochOpened(Envelope):
    """Reservations made under any earlier epoch are worth nothing from here on in this partition."""

    type: Literal["log.epoch"] = "log.epoch"
    dataschema: Literal["log.epoch/1"] = "log.epoch/1"
    data: EpochOpenedData


class Tick(Envelope):
    """Shows the broker's clock in an idle partition, so that its watermark moves on."""

    type: Literal["log.tick"] = "log.tick"
    dataschema: Literal["log.tick/1"] = "log.tick/1"
    data: NoData = NoData()


_Id = Annotated[str, Field(min_length=36, max_length=36)]


class EventsDiscardedData(Frozen):
    """Accepted events of one user."""

    user_id: _Id
    event_ids: Annotated[list[_Id], Field(min_length=1, max_length=1000)]


class EventsDiscarded(Envelope):
    """An operator decided that these events change nothing of the user's document; their verdicts stand."""

    type: Literal["log.discard"] = "log.discard"
    dataschema: Literal["log.discard/1"] = "log.discard/1"
    data: EventsDiscardedData


class ReplayRequestedData(Frozen):
    """The user whose events wait."""

    user_id: _Id


class ReplayRequested(Envelope):
    """An operator asks the projector to try again those events of a user that it could not apply."""

    type: Literal["log.replay"] = "log.replay"
    dataschema: Literal["log.replay/1"] = "log.replay/1"
    data: ReplayRequestedData


ControlRecord = LogIdentity | EpochOpened | Tick | EventsDiscarded | ReplayRequested

TICK_KEY = b"tick"
"""All ticks of a partition share this key, so compaction keeps one."""
