"""Commands against a dictionary: what `decide` and `evolve` make together is what a naive directory would hold."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from command_api.commands import (
    Command,
    DeleteUser,
    RegisterUser,
    ReinstateUser,
    ReplaceUser,
    SuspendUser,
    UpdateUser,
)
from command_api.decide import FieldRefused, IdTaken, Refused, UserGone, UserNotFound, VersionMismatch, decide
from tests.property.strategies import json_values
from tests.sample_events import envelope, event_id, user_id
from user_directory_events import Gone, Name, User, UserRegisteredData, UserState, decode, encode, evolve

Document = dict[str, Any]

names = st.dictionaries(st.sampled_from(["given", "family", "formatted"]), st.sampled_from(["Jo", "Doe", "Ζωή"]))
name_patches = st.dictionaries(st.sampled_from(["given", "family", "formatted"]), st.sampled_from([None, "Jo", "Ζωή"]))
emails = st.sampled_from(["jo@example.org", "JO@example.org", "ζωή@example.org"])
texts = st.sampled_from(["Jo", "Zoë"])
keys = st.sampled_from(["a", "b", ""])
attribute_values = json_values | st.sampled_from([0, False, 1, True, 1.0, None])
attribute_patches = st.dictionaries(keys, attribute_values, max_size=3)
fields = st.fixed_dictionaries(
    {"email": emails},
    optional={
        "name": names.filter(bool),
        "display_name": texts,
        "external_id": texts,
        "attributes": st.dictionaries(keys, attribute_values, min_size=1, max_size=2),
    },
)
patches = st.fixed_dictionaries(
    {},
    optional={
        "email": emails,
        "name": st.none() | name_patches,
        "display_name": st.none() | texts,
        "external_id": st.none() | texts,
        "attributes": st.none() | attribute_patches,
    },
)
versions = st.none() | st.just("*") | st.sets(st.integers(0, 6)).map(frozenset)


class Directory(RuleBasedStateMachine):
    """One user, in the directory and in a dictionary side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.state: UserState = None
        self.document: Document | None = None
        self.version = 0
        self.events = 0

    # --- the naive directory

    def patched(self, target: Any, patch: Any) -> Any:
        if not isinstance(patch, dict):
            return patch
        merged = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = self.patched(merged.get(key), value)
        return merged

    def refusal(self, if_match: Any) -> type[Refused] | None:
        if self.document is None:
            return UserGone if self.version else UserNotFound
        matches = if_match in (None, "*") or self.version in if_match
        return None if matches else VersionMismatch

    def carry_out(self, command: Command, refusal: type[Refused] | None, wanted: Document | None) -> None:
        """Carry out a command on both; `wanted` is the naive document after it, None: no user."""
        if refusal is None and wanted is not None and not (wanted.get("name") or wanted.get("display_name")):
            refusal = None if _json(wanted) == _json(self.document) else FieldRefused
        if refusal is not None:
            try:
                decide(self.state, command)
            except refusal:
                return
            raise AssertionError(f"{command} was not refused")
        decision = decide(self.state, command)
        if decision is None:
            assert _json(wanted) == _json(self.document)
            return
        assert _json(wanted) != _json(self.document)
        self.events += 1
        event = decision.event(**envelope(self.events, sequence=self.version + 1), data=decision.data)
        # Over the wire, as the projector gets it.
        read = decode(encode(event)[1])
        assert read == event
        self.state = evolve(self.state, event)
        self.document, self.version = wanted, self.version + 1

    # --- the commands

    @initialize(given=fields)
    def begin(self, given: Document) -> None:
        self.register(given)

    @rule(given=fields)
    def register(self, given: Document) -> None:
        refusal = VersionMismatch if self.document is not None else IdTaken if self.version else None
        self.carry_out(RegisterUser(user_id(), _data(given)), refusal, _document(given))

    @rule(given=fields, if_match=versions)
    def replace(self, given: Document, if_match: Any) -> None:
        status = {"status": (self.document or {}).get("status")}
        command = ReplaceUser(user_id(), _data(given), if_match)
        self.carry_out(command, self.refusal(if_match), _document(given) | status)

    @rule(patch=patches, if_match=versions)
    def update(self, patch: Document, if_match: Any) -> None:
        wanted = self.patched(self.document or {}, {"attributes": {}} | patch)
        wanted["attributes"] = wanted.get("attributes") or {}
        if not wanted.get("name"):
            wanted.pop("name", None)
        self.carry_out(UpdateUser(user_id(), patch, if_match), self.refusal(if_match), wanted)

    @rule(if_match=versions)
    def suspend(self, if_match: Any) -> None:
        wanted = {**self.document, "status": "suspended"} if self.document else None
        self.carry_out(SuspendUser(user_id(), if_match), self.refusal(if_match), wanted)

    @rule(if_match=versions)
    def reinstate(self, if_match: Any) -> None:
        wanted = {**self.document, "status": "active"} if self.document else None
        self.carry_out(ReinstateUser(user_id(), if_match), self.refusal(if_match), wanted)

    @rule(if_match=versions, sure=st.integers(0, 9))
    def delete(self, if_match: Any, sure: int) -> None:
        if sure == 0:
            self.carry_out(DeleteUser(user_id(), if_match), self.refusal(if_match), None)

    # --- what must hold after each

    @invariant()
    def both_say_the_same(self) -> None:
        match self.state:
            case User():
                own = self.state.model_dump(exclude={"id", "version", "created_at", "updated_at"}, exclude_none=False)
                own["name"] = self.state.name.to_dict() if self.state.name else None
                assert _json({name: value for name, value in own.items() if value is not None}) == _json(self.document)
                assert self.state.version == self.version
                assert self.state.id == user_id()
            case Gone():
                assert self.document is None
                assert self.state.version == self.version > 1
            case None:
                assert (self.document, self.version) == (None, 0)

    @invariant()
    def every_version_is_one_event(self) -> None:
        assert self.events == self.version
        assert event_id(self.events)


def _data(given: Document) -> UserRegisteredData:
    named = {"name": Name(**given["name"])} if "name" in given else {}
    return UserRegisteredData(**given | named)


def _json(document: Document | None) -> str:
    # Python takes 1 and True for equal, JSON does not.
    return json.dumps(document, sort_keys=True)


def _document(given: Document) -> Document:
    return {"status": "active", "attributes": {}} | given


Directory.TestCase.settings = settings(max_examples=100, stateful_step_count=20)
test_the_directory_does_what_a_dictionary_would = Directory.TestCase
