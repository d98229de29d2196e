import unicodedata
from typing import Any

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from command_api.requests import UserBody, UserPatch
from runtime.json_body import validate
from runtime.problems import Problem
from user_directory_events import Name, UserRegisteredData

JO: dict[str, Any] = {"email": "jo@example.org", "display_name": "Jo"}


def faults(model: type[UserBody | UserPatch], **fields: Any) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        validate(model, JO | fields)
    assert caught.value.slug == "invalid-request"
    return {error.pointer: error.detail for error in caught.value.errors}


def test_a_body_becomes_the_fields_of_a_registration() -> None:
    body = {
        "email": "Jo@example.org",
        "name": {"given": "Jo", "family": "Doe"},
        "display_name": "Jo",
        "external_id": "hr-1",
        "attributes": {"team": None},
    }

    assert validate(UserBody, body).to_data() == UserRegisteredData(
        email="Jo@example.org",
        name=Name(given="Jo", family="Doe"),
        display_name="Jo",
        external_id="hr-1",
        attributes={"team": None},
    )


@pytest.mark.parametrize(
    "fields", [{"name": None}, {"name": {}}, {"name": {"given": None}}, {"external_id": None}, {"attributes": {}}]
)
def test_null_and_nothing_are_the_same_in_a_body(fields: dict[str, Any]) -> None:
    data = validate(UserBody, JO | fields).to_data()

    assert data.model_fields_set == {"email", "display_name"}


@pytest.mark.parametrize(
    "email",
    [
        "jo@example.org",
        "Jo.Doe+tag@sub.example.org",
        "用户@例え.jp",
        "josé@exämple.de",
        "jo@xn--exmple-cua.de",
        "o'neil@example.org",
        "jo@home.test",
        "jo@printer.local",
        "x" * 64 + "@example.org",
    ],
)
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_an_address_is_kept_as_given(model: type[UserBody | UserPatch], email: str) -> None:
    assert validate(model, JO | {"email": email}).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "jo",
        "@",
        "jo@",
        "@example.org",
        "jo@example",
        "jo@@example.org",
        "jo doe@example.org",
        " jo@example.org",
        "jo@example.org ",
        "jo@example..org",
        ".jo@example.org",
        "jo.@example.org",
        "jo@-example.org",
        "jo@exa_mple.org",
        "jo\n@example.org",
        "jo@example.org\u0000",
        "jo@[127.0.0.1]",
        '"jo doe"@example.org',
        "Jo <jo@example.org>",
        "jo@example.org,joe@example.org",
        "x" * 65 + "@example.org",
        "jo@" + "x" * 64 + ".org",
        "x@" + ("y" * 60 + ".") * 5 + "org",
        "jo\u202e@example.org",
    ],
)
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_what_is_no_address_is_refused_with_its_place(model: type[UserBody | UserPatch], email: str) -> None:
    found = faults(model, email=email)

    assert set(found) == {"/email"}
    assert found["/email"].startswith("must ")


@pytest.mark.parametrize("value", [None, 7, True, [], {}, ["jo@example.org"]])
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_an_address_is_a_string_and_cannot_be_removed(model: type[UserBody | UserPatch], value: Any) -> None:
    assert faults(model, email=value) == {"/email": "must be a string"}


def test_an_address_is_required_to_register_but_not_to_change() -> None:
    with pytest.raises(Problem) as caught:
        validate(UserBody, {"display_name": "Jo"})
    assert [(error.pointer, error.detail) for error in caught.value.errors] == [("/email", "is required")]

    assert validate(UserPatch, {}).to_patch() == {}


@pytest.mark.parametrize(
    "text", ["Jo", "Ζωή", "李小龍", "محمد", "O’Neil-Ωmega", "👩‍🚀", "x" * 256, "नमस्ते", "Nguyễn", "a  b"]
)
def test_a_name_of_any_script_is_kept_as_given(text: str) -> None:
    body = validate(UserBody, JO | {"name": {"given": text}, "display_name": text, "external_id": text})

    assert (body.display_name, body.external_id) == (text, text)
    assert body.name is not None
    assert body.name.given == text


@pytest.mark.parametrize("field", ["display_name", "external_id"])
def test_text_is_kept_in_unicodes_composed_form(field: str) -> None:
    decomposed = unicodedata.normalize("NFD", "Zoë Ångström")

    assert getattr(validate(UserBody, JO | {field: decomposed}), field) == "Zoë Ångström"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "must not be empty"),
        (" ", "must not be blank"),
        ("\u3000", "must not be blank"),
        ("a\nb", "must not contain control characters"),
        ("a\tb", "must not contain control characters"),
        ("\u0000", "must not contain control characters"),
        ("a\u007f", "must not contain control characters"),
        ("a\u0085", "must not contain control characters"),
        ("a\u2028", "must not contain control characters"),
        ("x" * 257, "must have at most 256 characters"),
        (7, "must be a string"),
        (["Jo"], "must be a string"),
    ],
)
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_bad_text_is_refused_with_its_place(model: type[UserBody | UserPatch], text: Any, detail: str) -> None:
    assert faults(model, name={"given": text}) == {"/name/given": detail}
    assert faults(model, display_name=text, external_id=text) == {"/display_name": detail, "/external_id": detail}


@pytest.mark.parametrize("field", ["id", "status", "version", "created_at", "updated_at", "colour", "Email", ""])
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_fields_that_a_client_cannot_set_are_refused(model: type[UserBody | UserPatch], field: str) -> None:
    assert faults(model, **{field: "x"}) == {f"/{field}": "unknown field"}


def test_all_faults_are_told_together() -> None:
    found = faults(UserBody, email=7, name={"middle": "X", "given": ""}, attributes=[], colour="blue")

    assert set(found) == {"/email", "/name/middle", "/name/given", "/attributes", "/colour"}


@pytest.mark.parametrize("attributes", [[], "x", 7, True])
@pytest.mark.parametrize("model", [UserBody, UserPatch])
def test_attributes_are_an_object(model: type[UserBody | UserPatch], attributes: Any) -> None:
    assert faults(model, attributes=attributes) == {"/attributes": "must be an object"}


def test_attributes_keep_every_json_value() -> None:
    attributes = {"": None, "a~b/c": [1, 2.5, -0.0, 2**63, True, {"deep": [{}]}], "e\u0301": "\u0000"}

    assert validate(UserBody, JO | {"attributes": attributes}).to_data().attributes == attributes


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        ({}, {}),
        ({"name": None}, {"name": None}),
        ({"name": {}}, {"name": {}}),
        ({"name": {"given": None, "family": "Doe"}}, {"name": {"given": None, "family": "Doe"}}),
        ({"display_name": None, "external_id": "x"}, {"display_name": None, "external_id": "x"}),
        ({"attributes": None}, {"attributes": None}),
        ({"attributes": {"a": None}}, {"attributes": {"a": None}}),
    ],
)
def test_a_patch_tells_null_from_what_is_not_there(body: dict[str, Any], patch: dict[str, Any]) -> None:
    assert validate(UserPatch, body).to_patch() == patch


# --- addresses whose domain is known already


_ATOM = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-.\"@ ü", max_size=70)
_DOMAIN = st.sampled_from(
    ["example.org", "EXAMPLE.org", "a.b", "xn--exmple-cua.de", "exämple.de", "localhost", "-a.org"]
)


@given(_ATOM, _DOMAIN, st.booleans())
def test_the_short_way_says_of_an_address_what_the_library_says(local: str, domain: str, again: bool) -> None:
    address = f"{local}@{domain}"
    for _ in range(2 if again else 1):
        try:
            email_validator.validate_email(address, check_deliverability=False, strict=True)
        except email_validator.EmailNotValidError:
            with pytest.raises(ValidationError):
                UserBody(email=address, display_name="Jo")
        else:
            assert UserBody(email=address, display_name="Jo").email == unicodedata.normalize("NFC", address)
