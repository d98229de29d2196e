"""What request bodies must look like; the OpenAPI document is generated from these models."""

import re
import unicodedata
from functools import lru_cache
from typing import Annotated, Any

import email_validator
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from command_api.examples import EXAMPLE_PATCH, EXAMPLE_REGISTRATION
from user_directory_events import Name, UserRegisteredData

# Syntax only: a directory of an organisation may well know addresses under .test or .local. The library documents its
# list as the place to say so.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# A local part of RFC 5321's plain form; whether it is allowed does not depend on the domain.
_DOT_ATOM = re.compile(r"(?=.{1,64}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_KNOWN_DOMAINS = 4096

_CONTROL = re.compile("[\u0000-\u001f\u007f-\u009f\u2028\u2029]")


def _text(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    if not value.strip():
        raise ValueError("must not be blank")
    return unicodedata.normalize("NFC", value)


def _email(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    local, _, domain = value.rpartition("@")
    try:
        if _DOT_ATOM.fullmatch(local) and domain.isascii() and "xn--" not in domain.lower():
            _check_domain(domain)
            return value
        _check_address(value)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"must be an e-mail address: {_reason(error)}") from None
    return unicodedata.normalize("NFC", value)


def _check_address(address: str) -> None:
    # Strict: also RFC 5321's limit of 64 octets before the @.
    email_validator.validate_email(address, check_deliverability=False, strict=True)


@lru_cache(maxsize=_KNOWN_DOMAINS)
def _check_domain(domain: str) -> None:
    """Check a domain as part of an address; most addresses are in few domains, and the library takes 30 µs for each."""
    _check_address(f"a@{domain}")


def _reason(error: email_validator.EmailNotValidError) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]


Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_text)]
Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        description="RFC 5321 and 6531; unique by its normalised, case-folded form",
        json_schema_extra={"format": "idn-email"},
        examples=["jo@example.org"],
    ),
    AfterValidator(_email),
]
Attributes = Annotated[
    dict[str, JsonValue], Field(description="Free JSON object of at most 16 KiB", examples=[{"team": "north"}])
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NameBody(_Body):
    """A person's name, in any script, kept as given (Unicode NFC)."""

    given: Annotated[Text | None, Field(examples=["Jo"])] = None
    family: Annotated[Text | None, Field(examples=["Doe"])] = None
    formatted: Annotated[Text | None, Field(examples=["Jo Doe"])] = None

    def parts(self) -> dict[str, Any]:
        """Return the parts that were sent; None: to be removed."""
        return self.model_dump(exclude_unset=True)


class UserBody(_Body):
    """A user's fields; one of `display_name` and the parts of `name` is required."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_REGISTRATION]})

    email: Email
    name: NameBody | None = None
    display_name: Annotated[Text | None, Field(examples=["Jo"])] = None
    external_id: Annotated[
        Text | None, Field(description="The user's id in another system; unique", examples=["hr-1042"])
    ] = None
    attributes: Attributes | None = None

    def to_data(self) -> UserRegisteredData:
        """Return the fields that are there, as the event carries them."""
        fields: dict[str, Any] = {
            field: value
            for field in ("email", "display_name", "external_id")
            if (value := getattr(self, field)) is not None
        }
        if self.name is not None and (parts := {part: text for part, text in self.name if text is not None}):
            fields["name"] = Name(**parts)
        if self.attributes:
            fields["attributes"] = self.attributes
        return UserRegisteredData(**fields)


class UserPatch(_Body):
    """A JSON Merge Patch (RFC 7396) of a user's fields: null removes, what is not there stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PATCH]})

    email: Annotated[Email, Field(default_factory=str, description="Cannot be removed")]
    name: NameBody | None = None
    display_name: Text | None = None
    external_id: Text | None = None
    attributes: Attributes | None = None

    def to_patch(self) -> dict[str, Any]:
        """Return what was sent."""
        patch = {name: getattr(self, name) for name in self.model_fields_set}
        if isinstance(self.name, NameBody):
            patch["name"] = self.name.parts()
        return patch
