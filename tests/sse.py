"""Server-sent events, read as the standard says, with what the standard makes nothing of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One block of a stream; without data it is no event, though its id counts."""

    id: str | None
    event: str | None
    data: str | None
    retry: int | None = None
    comment: str | None = None


def parse(content: bytes) -> list[Message]:
    """Return the messages of a piece that ends with one."""
    assert content.endswith(b"\n\n"), content
    return [_message(block) for block in content.decode().removesuffix("\n\n").split("\n\n")]


def _message(block: str) -> Message:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        assert name not in fields, block
        fields[name] = value.removeprefix(" ")
    assert set(fields) <= {"", "id", "event", "data", "retry"}, block
    retry = fields.get("retry")
    return Message(
        fields.get("id"), fields.get("event"), fields.get("data"), None if retry is None else int(retry), fields.get("")
    )
