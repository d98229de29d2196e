"""Plain reads of one user, which are nearly all requests; see `runtime.direct_answers`."""

from typing import Final, Protocol

from query_api.directory import FoundUser
from query_api.parameters import UUID
from query_api.users import USER_PATH
from runtime.direct_answers import Document, Question


class AskedAtOnce(Protocol):
    """A directory that can be asked without waiting, see `RedisDirectory`."""

    def ask_for_user(self, user_id: str) -> Question | None: ...

    def user_in(self, question: Question) -> FoundUser | None: ...


class DirectUsers:
    """The users whose document is the one of their version."""

    template: Final = USER_PATH
    target: Final = UUID.pattern

    def __init__(self, directory: AskedAtOnce) -> None:
        self._directory = directory

    def ask(self, target: str) -> Question | None:
        """Ask the directory."""
        return self._directory.ask_for_user(target.lower())

    def answer(self, question: Question) -> Document | None:
        """Show the document."""
        found = self._directory.user_in(question)
        if found is None:
            return None
        lines = b'etag: "%s"\r\nconsistency-token: %s\r\n' % (found.version.encode(), found.token.encode())
        return Document(lines, found.document)
