"""How the portal listens."""

import socket

from portal.server import _listen
from portal.settings import PortalSettings


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with (
        _listen(PortalSettings(port=0)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
