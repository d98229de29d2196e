"""Write tokens: all that is needed to tell what became of a write, so that the answer survives the loss of Redis."""

import base64
import binascii
import re

from read_models.write_calls import EventRef

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TOKEN = re.compile(rf"({_UUID}) ({_UUID}) (\d{{1,15}}) (\d{{1,4}}) (\d{{1,15}}) ([\x21-\x7e]{{1,64}})")


class InvalidWriteToken(ValueError):
    """This service did not make the token."""


def encode(event: EventRef) -> str:
    """Write the token of an event."""
    text = f"{event.event_id} {event.user_id} {event.sequence} {event.partition} {event.deadline} {event.epoch}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token: str) -> EventRef:
    """Read a token.

    Raises:
        InvalidWriteToken: see there.
    """
    try:
        text = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise InvalidWriteToken from error
    fields = _TOKEN.fullmatch(text)
    if fields is None:
        raise InvalidWriteToken
    event_id, user_id, sequence, partition, deadline, epoch = fields.groups()
    return EventRef(event_id, user_id, int(sequence), int(partition), int(deadline), epoch)
