"""Opening epochs: the part of the projector that holds partition 0 lets writes in, and keeps them out when it must.

Redis may restart empty, come back older, or fail over: its reservations are then lost. Before writes are let in again,
everything that was appended under them must be projected or void, in every partition. An epoch record in each does so.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from read_models.projector_calls import Declared, GuardState
from read_models.records import LivePointer
from runtime import metrics
from user_directory_events.codec import new_event_id

log = logging.getLogger(__name__)


class GuardStore(Protocol):
    """What opening an epoch asks of Redis."""

    def guard_state(self, opening: str | None) -> GuardState:
        """Say whether writes are let in, a given epoch is being opened, or one has to be."""

    def open_guard(self, epoch: str) -> None:
        """Let no writes in until this epoch is declared ready."""

    def declare_ready(self, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Declared:
        """Let writes in, if the epoch's records are projected and the newest."""


class EpochOpener:
    """Opens one epoch after another, whenever the guard is not ready for this very server."""

    def __init__(self, store: GuardStore, append_epoch: Callable[[str], Mapping[int, int]]) -> None:
        self._store = store
        self._append_epoch = append_epoch
        self._opening: tuple[str, Mapping[int, int]] | None = None

    def step(self, live: LivePointer, confirm_ownership: Callable[[], None]) -> bool:
        """Do the next thing towards a ready guard; return whether it is ready.

        Args:
            live: the live pointer.
            confirm_ownership: raises if this process may have lost partition 0; it costs a group commit, so it is
                called only before an epoch is opened.
        """
        state = self._store.guard_state(self._opening[0] if self._opening else None)
        if state == "opening" and self._opening is not None:
            declared = self._store.declare_ready(live, *self._opening)
            if declared == "waiting":
                return False
            self._opening = None
            if declared == "superseded":
                return False
            state = "ready"
            log.info("guard ready")
        if state == "ready":
            metrics.GUARD_READY.set(1)
            return True
        metrics.GUARD_READY.set(0)
        confirm_ownership()
        epoch = new_event_id()
        self._store.open_guard(epoch)
        self._opening = (epoch, self._append_epoch(epoch))
        metrics.EPOCHS_OPENED.inc()
        log.info("epoch opened", extra={"epoch": epoch})
        return False

    def abandon(self) -> None:
        """Forget the epoch being opened: partition 0, and to tell of the guard, is another process's now."""
        self._opening = None
        metrics.GUARD_READY.set(0)
