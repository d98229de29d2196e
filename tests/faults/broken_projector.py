"""A release of the projector with faults: it cannot apply the display name `Poison`, and hangs at `Tar pit`."""

import sys
import threading

from projector import documents
from projector.__main__ import main
from runtime import startup
from user_directory_events import UserEvent, UserState, evolve


def evolve_brokenly(state: UserState, event: UserEvent) -> UserState:
    if getattr(event.data, "display_name", None) == "Poison":
        raise ZeroDivisionError
    if getattr(event.data, "display_name", None) == "Tar pit":
        threading.Event().wait()
    return evolve(state, event)


if __name__ == "__main__":
    vars(documents)["evolve"] = evolve_brokenly
    sys.argv[0] = documents.__file__
    startup.main(main)
