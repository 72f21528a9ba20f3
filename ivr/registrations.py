"""The registrations that trunks want: where each registrar is, and which way leads there."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from pydantic import SecretStr

from ivr.sip.flow import Flow
from ivr.sip.grammar.uri import Uri
from ivr.sip.grammar.via import default_port
from ivr.sip.registration import Account
from ivr.sip.user_agent import UserAgent
from ivr.trunks import RegisterSection, Trunk

log = structlog.get_logger(__name__)

NAME_RETRY = 30.0  # seconds until a registrar's name is looked up again


Wanted = Mapping[str, tuple[RegisterSection, SecretStr]]
"""By the name of the trunk: where to register, and the password."""


def wanted_by(trunks: Iterable[Trunk]) -> Wanted:
    """The registrations that trunks want. Raises `PasswordFault`."""
    return {
        trunk.name: (section, section.password())
        for trunk in trunks
        if (section := trunk.register_) is not None
    }


class Registrar:
    """Brings the registrations of trunks up; the user agent then keeps them so.

    `pump` sends what the user agent has pending; `port` tells ours, by transport.
    """

    def __init__(
        self, agent: UserAgent, pump: Callable[[], None], port: Callable[[str], int]
    ) -> None:
        self._agent = agent
        self._pump = pump
        self._port = port
        self._wanted: Wanted = {}
        self._held = False
        self._registering: dict[str, asyncio.Task[None]] = {}
        self._one_ended = asyncio.Event()

    def adopt(self, wanted: Wanted) -> None:
        """Register where it is new, take back what nobody wants any more, leave the rest."""
        before, self._wanted = self._wanted, wanted
        if self._held:
            return
        self._take_back([name for name in before if before[name] != wanted.get(name)])
        self._bring_up()

    def hold(self, held: bool) -> None:
        """Take all back while no calls are wanted, so that they are sent elsewhere; or bring all up
        again."""
        if held is self._held:
            return
        self._held = held
        if held:
            self._take_back(list(self._registering))
        else:
            self._bring_up()

    def _take_back(self, names: Iterable[str]) -> None:
        for name in names:
            self._registering.pop(name).cancel()
            self._agent.unregister(name, time.monotonic())
        self._pump()

    def _bring_up(self) -> None:
        for name, (section, password) in self._wanted.items():
            if name not in self._registering:
                registering = self._register(name, section, password)
                self._registering[name] = asyncio.create_task(registering)
        self._pump()

    def ended(self, name: str) -> None:
        """The user agent says that a registration is no more."""
        self._agent.forget_registration(name)
        self._one_ended.set()

    async def close(self) -> None:
        """Ask for nothing any more."""
        for task in self._registering.values():
            task.cancel()
        await asyncio.gather(*self._registering.values(), return_exceptions=True)

    async def _register(self, name: str, section: RegisterSection, password: SecretStr) -> None:
        # What the same trunk had before is taken back first: two in a row may arrive in any order.
        while name in self._agent.registrations:
            self._one_ended.clear()
            await self._one_ended.wait()
        uri = Uri.parse(section.registrar)
        transport = section.transport
        while True:
            try:
                flow = await self._way_to(transport, uri.host, uri.port or default_port(transport))
                break
            except OSError as error:
                log.warning("no way to the registrar", trunk=name, why=str(error))
                await asyncio.sleep(NAME_RETRY)
        account = Account(
            name=name,
            uri=section.registrar,
            flow=flow,
            user=section.user,
            line=section.number,
            expires=section.expires,
            password=password,
        )
        self._agent.register(account, time.monotonic())
        self._pump()

    async def _way_to(self, transport: str, host: str, port: int) -> Flow:
        """The flow to a registrar, from the address of ours that leads there. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, _, _, _, remote = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(remote)  # sends nothing: it only asks for the route
            local = probe.getsockname()[0]
        # By TLS the registrar must have a certificate for the name that the operator wrote.
        return Flow(
            transport,
            (local, self._port(transport)),
            (str(remote[0]), int(remote[1])),
            peer_names=(host.lower(),),
        )
