"""Register people with many writers at once, each until it is known what became of it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from benchmarks.maintainers import Person
from benchmarks.patient_client import Answer, GaveUp, PatientClient, Trouble, retry_after

T = TypeVar("T")
R = TypeVar("R")

_TYPE: Final = "urn:user-directory:problem:"
_MOST_VOIDS: Final = 20


@dataclass(frozen=True, slots=True)
class Registered:
    """The directory has the person; `token` shows at least this to every reader."""

    person: Person
    user_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """Another user has the address."""

    person: Person


@dataclass(frozen=True, slots=True)
class Invalid:
    """The directory cannot take the person, and says why: each reason begins with a JSON pointer."""

    person: Person
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Something that must not happen."""

    person: Person
    what: str


Outcome = Registered | Taken | Invalid | Failed


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of all of them, and how long each took from its first attempt to its outcome, in seconds."""

    outcomes: Sequence[Outcome]
    durations: Sequence[float]
    seconds: float


def document(person: Person) -> dict[str, Any]:
    """Return what is posted."""
    return {"email": person.address, "name": {"formatted": person.name}}


class Crowd:
    """A number of threads, each with a patient client of its own."""

    def __init__(self, url: str, *, size: int, patience_seconds: float, trouble: Trouble) -> None:
        self._url = url
        self._size = size
        self._patience = patience_seconds
        self._trouble = trouble

    def each(self, work: Callable[[PatientClient, T], R], items: Sequence[T]) -> list[R]:
        """Do the work for every item, as many at once as there are threads; results are in the items' order."""
        mine = threading.local()
        clients: list[PatientClient] = []

        def begin() -> None:
            mine.client = PatientClient(self._url, patience_seconds=self._patience, trouble=self._trouble)
            clients.append(mine.client)

        pool = ThreadPoolExecutor(self._size, initializer=begin)
        try:
            return list(pool.map(lambda item: work(mine.client, item), items))
        finally:
            pool.shutdown(cancel_futures=True)
            for client in clients:
                client.close()


def register_all(
    people: Sequence[Person], crowd: Crowd, trouble: Trouble, on_outcome: Callable[[], None] = lambda: None
) -> Registration:
    """Register everybody; each request has a key of its own, so that sending it again doubles nothing.

    `on_outcome` is called after each outcome, from any thread.
    """
    run = uuid.uuid4().hex
    began = time.perf_counter()

    def work(client: PatientClient, numbered: tuple[int, Person]) -> tuple[Outcome, float]:
        number, person = numbered
        started = time.perf_counter()
        outcome = _register(client, person, f"demo-{run}-{number}", trouble)
        on_outcome()
        return outcome, time.perf_counter() - started

    results = crowd.each(work, list(enumerate(people)))
    seconds = time.perf_counter() - began
    return Registration([outcome for outcome, _ in results], [duration for _, duration in results], seconds)


def _register(client: PatientClient, person: Person, key: str, trouble: Trouble) -> Outcome:
    body = json.dumps(document(person), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    try:
        for _ in range(_MOST_VOIDS):
            answer = client.ask("POST", "/users", body=body, headers=headers)
            if answer.status != 202:
                return _outcome(person, answer)
            trouble.note("202")
            settled = _follow(client, answer)
            write = settled.json()
            if write.get("status") == "accepted":
                return Registered(person, write["user_id"], settled.headers["Consistency-Token"])
            # It will never happen, so the key is free again.
            trouble.note(str(write.get("status")))
    except GaveUp as error:
        return Failed(person, str(error))
    return Failed(person, f"void {_MOST_VOIDS} times")


def _follow(client: PatientClient, answer: Answer) -> Answer:
    """Read the outcome of a write until it is known, or for as long as the client is patient."""
    path = urlsplit(answer.headers["Location"]).path
    for _ in range(int(client.patience_seconds) + 1):
        answer = client.ask("GET", path)
        if answer.status != 200 or answer.json()["status"] != "pending":
            return answer
        time.sleep(retry_after(answer) or 1)
    raise GaveUp("pending", client.patience_seconds)


def _outcome(person: Person, answer: Answer) -> Outcome:
    if answer.status == 201:
        return Registered(person, answer.json()["id"], answer.headers["Consistency-Token"])
    problem = answer.json() if answer.headers.get("Content-Type") == "application/problem+json" else {}
    kind = str(problem.get("type", "")).removeprefix(_TYPE)
    reasons = tuple(f"{fault.get('pointer')} {fault.get('detail')}" for fault in problem.get("errors", ()))
    pointers = [fault.get("pointer") for fault in problem.get("errors", ())]
    if (answer.status, kind, pointers) == (409, "value-taken", ["/email"]):
        return Taken(person)
    if (answer.status, kind) == (400, "invalid-request") and all(pointers) and pointers:
        return Invalid(person, reasons)
    return Failed(person, f"{answer.status} {kind}")
