"""Random commands on few users and fewer unique values, so that they get in each other's way."""

from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from command_api.commands import Command, DeleteUser, RegisterUser, ReinstateUser, SuspendUser, UpdateUser
from read_models.write_calls import Idempotency
from user_directory_events import Gone, User, UserRegisteredData, UserState, partition_of

_EMAILS = [f"{name}@Example.org" for name in ("ann", "Ann", "bob", "BOB", "cy", "dee", "eva", "flo")]
_EXTERNAL_IDS = ["x", "y", "z"]


@dataclass(slots=True)
class Clients:
    """Those who send commands; deleted users make room for new ones."""

    rnd: Random
    partitions: int
    users: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = [self.new_user(number % self.partitions) for number in range(3 * self.partitions)]

    def new_id(self) -> str:
        """Return a UUID that depends on the seed only."""
        return str(UUID(int=self.rnd.getrandbits(128), version=4))

    def new_user(self, partition: int) -> str:
        """Return the id of a user yet to be registered, whose events are to be in a given partition."""
        while partition_of(user_id := self.new_id(), self.partitions) != partition:
            pass
        return user_id

    def idempotency(self) -> Idempotency | None:
        """Return an idempotency key, sometimes one that is in use."""
        if self.rnd.random() > 0.15:
            return None
        return Idempotency("actor", f"key-{self.rnd.randrange(4)}", "hash")

    def choose(self, state: UserState) -> Command:
        """Return something to do with the first user in this state."""
        match state:
            case None:
                return self.register()
            case Gone(id=user_id):
                if user_id in self.users:
                    slot = self.users.index(user_id)
                    self.users[slot] = self.new_user(slot % self.partitions)
                return DeleteUser(user_id)
            case User(id=user_id):
                return self._change(state, user_id)

    def register(self, email: str | None = None) -> RegisterUser:
        """Return a registration, by default under one of the contested addresses."""
        external_id = self.rnd.choice(_EXTERNAL_IDS) if email is None and self.rnd.random() < 0.2 else None
        fields = UserRegisteredData(
            email=email or self.rnd.choice(_EMAILS), display_name="Somebody", external_id=external_id
        )
        return RegisterUser(None, fields)

    def _change(self, state: User, user_id: str) -> Command:
        what = self.rnd.random()
        if what < 0.5:
            wanted = None if state.external_id is not None else self.rnd.choice(_EXTERNAL_IDS)
            return UpdateUser(user_id, {"external_id": wanted})
        if what < 0.8:
            return UpdateUser(user_id, {"email": self.rnd.choice(_EMAILS)})
        if what < 0.9:
            return DeleteUser(user_id)
        return SuspendUser(user_id) if state.status == "active" else ReinstateUser(user_id)
