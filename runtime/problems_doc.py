"""Write docs/problem-types.md from the registry: `python -m runtime.problems_doc`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runtime.problem_types import PROBLEM_TYPES, TYPE_PREFIX, ProblemType

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "problem-types.md"

_HEAD: Final = f"""\
# Problem types

What a request that cannot be served is answered with: a problem document (RFC 9457), media type
`application/problem+json`.

| member | meaning |
| --- | --- |
| `type` | `{TYPE_PREFIX}` and the kind from the table below; stable, made to be compared |
| `title` | the same sentence for every problem of the type |
| `status` | the HTTP status, once more |
| `detail` | what is wrong with this request, for people to read |
| `instance` | `urn:user-directory:request:` and the `X-Request-ID`, which the log has too |
| `errors` | one entry for each fault: `detail` and `pointer` (RFC 6901, into the body) or `parameter` (its name) |

A status that none of these types describes comes with the type `about:blank`.

This page is generated from the registry (`python -m runtime.problems_doc`).

| type | status | title | meaning |
| --- | --- | --- | --- |
"""


def generate(types: Iterable[ProblemType]) -> str:
    """Render the page, the types in order of their status."""
    rows = [
        f"| `{kind.slug}` | {kind.status} | {kind.title} | {kind.meaning} |\n"
        for kind in sorted(types, key=lambda kind: kind.status)
    ]
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(generate(PROBLEM_TYPES.values()), encoding="utf-8")
