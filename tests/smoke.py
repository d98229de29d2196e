"""A running directory, tried from outside: `make smoke URL=http://127.0.0.1:8000 [READS=url] [KILL='command']`.

It writes a user, reads it by id, by e-mail, by look-up and in the list, changes and deletes it, and checks a refusal.
KILL is a shell command that takes a part away, e.g. one of several containers; the directory must go on answering.
"""

import argparse
import os
import subprocess
import sys
import time
import uuid

import httpx

_PATIENCE_SECONDS = 30


class SmokeFailed(Exception):
    """The directory did not do what it promises."""


class Directory:
    """A client that is as patient as the service asks: it repeats what was answered 503, under one idempotency key."""

    def __init__(self, writes: str, reads: str) -> None:
        token = os.environ.get("TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._writes = httpx.Client(base_url=writes, headers=headers, timeout=15)
        self._reads = httpx.Client(base_url=reads, headers=headers, timeout=15)

    def write(self, method: str, path: str, expected: int, **request: object) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4()), **request.pop("headers", {})}  # type: ignore[dict-item]
        return _expect(self._writes, method, path, expected, headers=headers, **request)

    def read(self, path: str, expected: int, token: str, **request: object) -> httpx.Response:
        headers = {"Consistency-Token": token, "Prefer": "wait=5"}
        return _expect(self._reads, "GET", path, expected, headers=headers, **request)

    def look_up(self, body: object, token: str) -> httpx.Response:
        headers = {"Consistency-Token": token, "Prefer": "wait=5"}
        return _expect(self._reads, "POST", "/users/lookup", 200, headers=headers, json=body)

    def documents(self) -> None:
        """Read the documents of both sides, where the page /docs looks for them."""
        for client, name in ((self._reads, "query-api"), (self._writes, "command-api")):
            _expect(client, "GET", f"/openapi/{name}.json", 200)
        _expect(self._reads, "GET", "/docs", 200)


def _expect(client: httpx.Client, method: str, path: str, expected: int, **request: object) -> httpx.Response:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        reason = ""
        try:
            response = client.request(method, path, **request)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            reason = repr(error)
        else:
            if response.status_code == expected:
                print(f"ok    {method} {path.split('?', maxsplit=1)[0]} {expected}", flush=True)
                return response
            reason = f"{response.status_code} {response.text[:300]}"
            if response.status_code not in (202, 502, 503, 504):
                raise SmokeFailed(f"{method} {path}: expected {expected}, got {reason}")
        if time.monotonic() > deadline:
            raise SmokeFailed(f"{method} {path}: expected {expected}, still {reason} after {_PATIENCE_SECONDS} s")
        time.sleep(0.5)


def smoke(writes: str, reads: str, kill: str | None) -> None:
    """Try the directory.

    Raises:
        SmokeFailed: naming the request that was answered otherwise.
    """
    directory = Directory(writes, reads)
    email = f"smoke-{uuid.uuid4()}@example.org"
    body = {"email": email, "name": {"formatted": "Smoke Test"}}
    registered = directory.write("POST", "/users", 201, json=body)
    user, token = registered.json(), registered.headers["Consistency-Token"]
    path = f"/users/{user['id']}"
    _same(directory.read(path, 200, token).json(), user)
    _same(directory.read("/users", 200, token, params={"email": email.upper()}).json()["items"], [user])
    found = directory.look_up({"emails": [email]}, token).json()["items"]
    _same([item["user"] for item in found], [user])
    newest = directory.read("/users", 200, token, params={"sort": "-created_at", "limit": 100}).json()["items"]
    if user["id"] not in {item["id"] for item in newest}:
        raise SmokeFailed("the new user is not among the newest in the list")
    directory.write("POST", "/users", 409, json=body)
    if kill:
        print(f"kill  {kill}", flush=True)
        subprocess.run(kill, shell=True, check=True)
        _same(directory.read(path, 200, token).json(), user)
    patched = directory.write("PATCH", path, 200, json={"display_name": "Smoke"}, headers={"If-Match": '"1"'})
    token = patched.headers["Consistency-Token"]
    _same(directory.read(path, 200, token).json(), patched.json())
    deleted = directory.write("DELETE", path, 204)
    directory.read(path, 410, deleted.headers["Consistency-Token"])
    directory.documents()


def _same(actual: object, expected: object) -> None:
    if actual != expected:
        raise SmokeFailed(f"expected {expected}, got {actual}")


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--reads", help="URL of the query API, where it is another one")
    parser.add_argument("--kill", help="shell command that takes a part away")
    arguments = parser.parse_args()
    try:
        smoke(arguments.url, arguments.reads or arguments.url, arguments.kill)
    except SmokeFailed as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print("smoke test passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
