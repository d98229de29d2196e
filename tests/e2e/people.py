"""Users whom no other test knows."""

import uuid
from typing import Any

from benchmarks.maintainers import Person

Body = dict[str, Any]


def person(**fields: object) -> Body:
    """Return the body of a registration under a fresh address."""
    return {"email": f"{uuid.uuid4().hex}@example.org", "name": {"formatted": "Zoë Ångström"}, **fields}


def made_up_people(count: int) -> list[Person]:
    """Return people as package lists name them: of every ten one has the address of another, spelled differently."""
    mark = uuid.uuid4().hex[:12]
    people = []
    for number in range(count):
        address = f"p{number - number % 10 if number % 10 == 1 else number}.{mark}@exämple.org"
        people.append(Person(f"Person {number} Ångström", address.upper() if number % 10 == 1 else address))
    return people
