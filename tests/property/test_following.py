"""Whatever happens, and however often a reader is killed: what it makes of the topics equals the directory."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from user_directory_events import User, UserState, evolve
from user_directory_events.consumer import Checkpoint, Follower, Loaded
from user_directory_events.testing import FakeDirectory


class Reader:
    """A store with a checkpoint, both written at once, as a transaction would."""

    def __init__(self, directory: FakeDirectory, *, versions: bool) -> None:
        self.directory, self.versions = directory, versions
        self.users: dict[str, User] = {}
        self.checkpoint: str | None = None
        self.told: list[tuple[str, int]] = []
        self.start()

    def start(self) -> None:
        """Begin anew with what is stored, as after a kill."""
        stored = None if self.checkpoint is None else Checkpoint.from_json(self.checkpoint)
        known = self.known if self.versions else None
        self.follower: Follower = self.directory.follow(checkpoint=stored, known_version=known)

    def known(self, user_id: str) -> int:
        return self.users[user_id].version if user_id in self.users else 0

    def step(self, *, killed: bool = False) -> None:
        """Take a batch; a killed reader stores nothing of it."""
        batch = self.follower.poll(0)
        if batch is None or killed:
            return
        for item in batch:
            if isinstance(item, Loaded):
                after: UserState = item.user
            else:
                self.told.append((item.user_id, item.event.sequence))
                before = self.users.get(item.user_id)
                if not self.versions and (before.version if before else 0) >= item.event.sequence:
                    continue  # told again after a restart in the middle of the overlap
                if before is None and item.event.sequence > 1 and not item.forgets:
                    assert not self.versions
                    continue  # the same, of a user who is gone
                after = None if item.forgets else evolve(before, item.event)
            if isinstance(after, User):
                self.users[item.user_id] = after
            else:
                self.users.pop(item.user_id, None)
        self.checkpoint = batch.checkpoint.to_json()


class Following(RuleBasedStateMachine):
    """Users change, the relay lags, topics are compacted; two readers follow and are killed."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = FakeDirectory(partitions=2)
        self.held = False
        self.readers = [Reader(self.directory, versions=True), Reader(self.directory, versions=False)]

    @rule()
    def register(self) -> None:
        self.directory.register()

    @precondition(lambda self: self.there)
    @rule(data=st.data(), what=st.sampled_from(["update", "suspend", "reinstate", "delete"]))
    def change(self, data: st.DataObject, what: str) -> None:
        user = data.draw(st.sampled_from(self.there))
        if what == "update":
            self.directory.update(user, display_name=data.draw(st.sampled_from(["A", "B", None])))
        else:
            getattr(self.directory, what)(user)

    @precondition(lambda self: self.directory.states)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        user = data.draw(st.sampled_from(sorted(self.directory.states)))
        if not getattr(self.directory.states[user], "erased", False):
            self.directory.erase(user)

    @precondition(lambda self: self.there and not self.held)
    @rule(data=st.data())
    def lag_behind_an_end(self, data: st.DataObject) -> None:
        """Let a user change and go while the relay lags, so that `users` forgets them before the changes are told."""
        user = data.draw(st.sampled_from(self.there))
        self.hold()
        self.directory.update(user, display_name="C")
        self.directory.update(user, display_name="D")
        self.directory.delete(user)
        self.directory.release(1)
        self.directory.logs.compact()

    @rule()
    def hold(self) -> None:
        if not self.held:
            self.directory.hold()
            self.held = True

    @rule(count=st.integers(0, 3))
    def release_some(self, count: int) -> None:
        if self.held:
            self.directory.release(count)

    @rule()
    def release(self) -> None:
        self.directory.release()
        self.held = False

    @rule()
    def compact(self) -> None:
        self.directory.logs.compact()

    @rule(which=st.integers(0, 1), killed=st.booleans())
    def read(self, which: int, killed: bool) -> None:
        self.readers[which].step(killed=killed)
        if killed:
            self.readers[which].start()

    @property
    def there(self) -> list[str]:
        """Name the users who exist, in an order that a replay repeats."""
        return [user for user, state in self.directory.states.items() if isinstance(state, User)]

    @invariant()
    def with_a_store_nothing_is_told_twice(self) -> None:
        told = self.readers[0].told
        assert len(told) == len(set(told))

    def teardown(self) -> None:
        self.directory.release()
        for reader in self.readers:
            reader.start()
            for batch_by_batch in range(1000):
                before = reader.checkpoint
                reader.step()
                if batch_by_batch > 3 and reader.checkpoint == before:
                    break
            assert reader.users == {u: s for u, s in self.directory.states.items() if isinstance(s, User)}


Following.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestFollowing = Following.TestCase
