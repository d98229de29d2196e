"""The public contract of user-directory: what its log says and how to read it."""

from user_directory_events.codec import HEADERS, LogRecord, Undecodable, UnknownSchema, decode, encode, new_event_id
from user_directory_events.control_records import (
    ControlRecord,
    EpochOpened,
    EpochOpenedData,
    EventsDiscarded,
    EventsDiscardedData,
    LogIdentity,
    LogIdentityData,
    ReplayRequested,
    ReplayRequestedData,
    Tick,
)
from user_directory_events.log_fold import PartitionFold
from user_directory_events.partitions import partition_of
from user_directory_events.unique_values import UniqueField, comparable, comparable_email
from user_directory_events.user import CannotEvolve, Gone, User, UserState, evolve
from user_directory_events.user_events import (
    Name,
    UserDeleted,
    UserErased,
    UserEvent,
    UserRegistered,
    UserRegisteredData,
    UserReinstated,
    UserSuspended,
    UserUpdated,
    UserUpdatedData,
)
from user_directory_events.verdict import Verdict, judge

__all__ = [
    "HEADERS",
    "CannotEvolve",
    "ControlRecord",
    "EpochOpened",
    "EpochOpenedData",
    "EventsDiscarded",
    "EventsDiscardedData",
    "Gone",
    "LogIdentity",
    "LogIdentityData",
    "LogRecord",
    "Name",
    "PartitionFold",
    "ReplayRequested",
    "ReplayRequestedData",
    "Tick",
    "Undecodable",
    "UniqueField",
    "UnknownSchema",
    "User",
    "UserDeleted",
    "UserErased",
    "UserEvent",
    "UserRegistered",
    "UserRegisteredData",
    "UserReinstated",
    "UserState",
    "UserSuspended",
    "UserUpdated",
    "UserUpdatedData",
    "Verdict",
    "comparable",
    "comparable_email",
    "decode",
    "encode",
    "evolve",
    "judge",
    "new_event_id",
    "partition_of",
]
