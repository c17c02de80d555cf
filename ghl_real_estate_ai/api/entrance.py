"""How many sockets may stand in the gateway, and how many of them without having signed in.

Called by ``routes/realtime.py`` at each handshake, before anything is kept for the socket, and before it gives a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ghl_real_estate_ai.errors import TooManyRequests
from ghl_real_estate_ai.limits import HANDSHAKE_RETRY_S, SOCKETS_NOT_SIGNED_IN, SOCKETS_OPEN


class Entrance:
    """One per process."""

    def __init__(self, *, most: int = SOCKETS_OPEN, most_not_signed_in: int = SOCKETS_NOT_SIGNED_IN) -> None:
        self._most = most
        self._most_not_signed_in = most_not_signed_in
        self.open = 0
        self.not_signed_in = 0

    def expect_room(self) -> None:
        """Nothing when a socket would be let in now. Raises TooManyRequests."""
        if self.open >= self._most:
            raise TooManyRequests(
                "this gateway holds as many sockets as it may", retry_after_s=HANDSHAKE_RETRY_S
            )

    @contextmanager
    def socket(self) -> Iterator[None]:
        """One socket, from handshake to end. Raises TooManyRequests."""
        self.expect_room()
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    @contextmanager
    def stranger(self) -> Iterator[None]:
        """One socket whose first message is to say who it is, until it has. Raises TooManyRequests."""
        if self.not_signed_in >= self._most_not_signed_in:
            raise TooManyRequests(
                "too many sockets have not signed in; use a ticket or a header",
                retry_after_s=HANDSHAKE_RETRY_S,
            )
        self.not_signed_in += 1
        try:
            yield
        finally:
            self.not_signed_in -= 1
