"""Write what other teams are promised, unless it would break what was published: `python -m contract`."""

import sys

from contract.compatibility import IncompatibleChange, merged
from contract.files import published, write
from contract.schemas import current


def main() -> int:
    """Return the exit status."""
    try:
        schemas = merged(published(), current())
    except IncompatibleChange as fault:
        print(f"{fault}\nNothing was written: make it a new version, see CONTRIBUTING.md", file=sys.stderr)
        return 1
    write(schemas)
    return 0


if __name__ == "__main__":
    sys.exit(main())
