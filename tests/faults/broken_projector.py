"""A release of the projector with a fault: it cannot apply a change of a display name to `Poison`."""

import sys

from projector import documents
from projector.__main__ import main
from runtime import startup
from user_directory_events import UserEvent, UserState, evolve


def evolve_brokenly(state: UserState, event: UserEvent) -> UserState:
    if getattr(event.data, "display_name", None) == "Poison":
        raise ZeroDivisionError
    return evolve(state, event)


if __name__ == "__main__":
    vars(documents)["evolve"] = evolve_brokenly
    sys.argv[0] = documents.__file__
    startup.main(main)
