"""A UDP socket of the signalling. On a wildcard address it knows which address was written to."""

import asyncio
import contextlib
import socket

from ivr.sip.flow import Flow, Outgoing
from ivr.sip.message import MAX_MESSAGE
from ivr.sip.receiver import WILDCARDS, Address, Receiver, plain

RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes of socket buffer: a second of a flood
DATAGRAMS_PER_WAKE_UP = 16  # each may begin a call: what they cost is one step of the loop, 10 ms
READS_PER_WAKE_UP = 1_000  # with those that are dropped unread: the queue is everybody's

_IP_PKTINFO = 8  # linux/in.h; Python's socket names only its IPv6 sister


class DatagramSocket:
    """One bound socket; raises `OSError` where it can't be. Its loop is the running one."""

    def __init__(self, receiver: Receiver, host: str, port: int) -> None:
        self.is_v6 = ":" in host
        self.is_wildcard = host in WILDCARDS
        self._receiver = receiver
        self._socket = socket.socket(
            socket.AF_INET6 if self.is_v6 else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if self.is_wildcard and self.is_v6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            elif self.is_wildcard:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.local: Address = self._socket.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Let go of the port."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, message: Outgoing) -> None:
        """Send one datagram, or lose it."""
        host, port = message.flow.remote
        if self.is_v6 and ":" not in host:
            host = f"::ffff:{host}"
        try:
            if self.is_wildcard:
                source = [self._source(message.flow.local[0])]
                self._socket.sendmsg([message.data], source, 0, (host, port))
            else:
                self._socket.sendto(message.data, (host, port))
        except OSError:
            # A full buffer or no route: as good as lost on the way, and mended in the same way.
            return

    def _readable(self) -> None:
        receive = self._receive_anywhere if self.is_wildcard else self._receive
        # It would block, or tells of an ICMP error about something we sent earlier.
        with contextlib.suppress(OSError):
            taken = 0
            for _ in range(READS_PER_WAKE_UP):
                data, local, remote = receive()
                taken += self._receiver.received(data, Flow("udp", local, remote))
                if taken == DATAGRAMS_PER_WAKE_UP:
                    break
        self._receiver.pump()

    def _receive(self) -> tuple[bytes, Address, Address]:
        data, remote = self._socket.recvfrom(MAX_MESSAGE)
        return data, self.local, remote[:2]

    def _receive_anywhere(self) -> tuple[bytes, Address, Address]:
        data, ancillary, _, remote = self._socket.recvmsg(MAX_MESSAGE, 64)
        host = self.local[0]
        for level, kind, value in ancillary:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET, value[8:12])
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                host = socket.inet_ntop(socket.AF_INET6, value[:16])
        return data, (plain(host), self.local[1]), (plain(remote[0]), remote[1])

    def _source(self, host: str) -> tuple[int, int, bytes]:
        """The control message that makes `host` the source address (ip(7), ipv6(7))."""
        if self.is_v6:
            mapped = host if ":" in host else f"::ffff:{host}"
            packed = socket.inet_pton(socket.AF_INET6, mapped)
            return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + bytes(4)
        packed = socket.inet_pton(socket.AF_INET, host)
        return socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + packed + bytes(4)
