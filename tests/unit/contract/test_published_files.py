"""The committed files of the contract are those that the models make, and say what the golden corpus says."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contract import examples
from contract.compatibility import merged
from contract.files import ASYNCAPI, ROOT, published, rendered
from contract.schemas import CHANGES, CONTROL, EVENTS, LOG, STATES, current
from user_directory_events import Undecodable, UserEvent, decode
from user_directory_events.public_topics import encode_change

GOLDEN = ROOT / "tests" / "golden"
EVENT_FILES = sorted((GOLDEN / "events").iterdir())
STATE_FILES = sorted((GOLDEN / "states").iterdir())


def faults(schema: str, value: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(published()[schema]).iter_errors(value)]


def golden(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_the_committed_files_are_those_of_the_models() -> None:
    for path, text in rendered(merged(published(), current())).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is old: run `make contract`"


def test_every_version_of_the_models_is_published() -> None:
    assert published().keys() >= {*EVENTS, CHANGES, LOG, CONTROL, STATES}


@pytest.mark.parametrize("name", published())
def test_a_schema_is_one_by_the_rules_of_its_dialect_and_bears_its_name(name: str) -> None:
    schema = published()[name]

    Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["$id"]) == (name, f"urn:user-directory:schema:{name}")


@pytest.mark.parametrize("path", EVENT_FILES, ids=lambda path: path.stem)
def test_schemas_take_every_event_of_the_golden_corpus(path: Path) -> None:
    event = golden(path)

    assert faults(LOG if event["type"].startswith("user.") else CONTROL, event) == []
    assert faults(event["dataschema"], event["data"]) == []


@pytest.mark.parametrize("path", [p for p in EVENT_FILES if p.stem.startswith("user.")], ids=lambda path: path.stem)
def test_the_schema_of_user_changes_is_that_of_what_the_relay_writes(path: Path) -> None:
    event = decode(path.read_bytes())
    assert isinstance(event, UserEvent)

    written = json.loads(encode_change(event)[1])

    assert faults(CHANGES, written) == []
    assert faults(CHANGES, {**written, "deadline": golden(path)["deadline"]}) != []
    assert written == examples.event(event.dataschema, published()[CHANGES]) or path.stem.count(".") > 2


@pytest.mark.parametrize("path", EVENT_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("planted", [{"nick": "Jo"}, {"time": "yesterday"}, {"source": "/elsewhere"}, {"data": []}])
def test_schema_and_codec_refuse_the_same(path: Path, planted: dict[str, Any]) -> None:
    event = golden(path) | planted

    assert faults(LOG if event["type"].startswith("user.") else CONTROL, event) != []
    with pytest.raises(Undecodable):
        decode(json.dumps(event).encode())


@pytest.mark.parametrize("path", STATE_FILES, ids=lambda path: path.stem)
def test_the_schema_of_users_takes_every_document_of_the_golden_corpus(path: Path) -> None:
    for state in golden(path).values():
        if state is not None and "user" in state:
            assert faults(STATES, state["user"]) == []
            assert faults(STATES, {**state["user"], "status": "lost"}) != []


def test_every_example_of_the_asyncapi_document_meets_its_payload() -> None:
    document = golden(ASYNCAPI)
    seen = 0
    for name, message in document["components"]["messages"].items():
        validator = Draft202012Validator({**message["payload"], "components": document["components"]})
        for example in message.get("examples", []):
            seen += 1
            assert [error.message for error in validator.iter_errors(example["payload"])] == [], name
            assert not validator.is_valid({**example["payload"], "version": "1", "sequence": "1", "time": 1}), name
    assert seen == len(EVENTS) + sum(name.startswith("user.") for name in EVENTS) + 1


def test_no_reference_of_the_asyncapi_document_leads_nowhere() -> None:
    document = golden(ASYNCAPI)
    references = []

    def collect(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                collect(item)
        elif isinstance(node, dict):
            references.extend([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                collect(value)

    collect(document)
    assert references
    for reference in references:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
