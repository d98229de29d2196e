"""The devstack's command line with stand-ins for the product's processes.

`python -m tests.integration.devstack.stack run|status|stop|reset`; STAND_IN_MOOD is the projector's mood.
"""

import os
import sys

from devstack.__main__ import main
from devstack.table import App

_WORDS = ("tests.integration.devstack.stand_in",)
_MOOD = tuple(filter(None, [os.environ.get("STAND_IN_MOOD")]))
STAND_INS = (
    App("projector", (*_WORDS, "PROJECTOR", *_MOOD), "PROJECTOR", 8003, after=("kafka", "redis")),
    App("command-api", (*_WORDS, "COMMAND_API"), "COMMAND_API", 8001, after=("projector",)),
    App("query-api", (*_WORDS, "QUERY_API"), "QUERY_API", 8002, after=("projector",)),
)

if __name__ == "__main__":
    sys.exit(main(apps=STAND_INS))
