"""Phones that nobody here wrote live through journey 3: three payments heard, by record and ear."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.journeys.conftest import NEVER_OPEN, lines, open_place
from tests.journeys.place import BREATH, NATIONAL, PARIS, Place, in_order, key
from tests.running import RunningServer, running_server
from tests.softphone import Softphone

pytestmark = [pytest.mark.socket, pytest.mark.timeout(150)]

WELCOME = 7.0  # seconds
PAYMENTS = 32.0
PASSWORD = "tulip-4711"

WAYS = pytest.mark.parametrize(
    ("transport", "secure"),
    [
        pytest.param("udp", False, id="udp"),
        pytest.param("tcp", False, id="tcp"),
        pytest.param("tls", True, id="tls and srtp"),
    ],
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the phone keeps its files; keys may stand in them."""
    phone = tmp_path / "phone"
    phone.mkdir()
    return phone


@pytest.fixture
def secure() -> bool:
    """Whether the server insists on SRTP."""
    return False


@pytest.fixture
async def place(tmp_path: Path, authority: Authority, *, secure: bool) -> AsyncIterator[Place]:
    server = tmp_path / "server"
    server.mkdir()
    # linphone looks for the address that it calls among the names, not among the addresses.
    shown = authority.sign("127.0.0.1")
    sound = "required" if secure else "off"
    changes = {
        "lines": lines(None, NEVER_OPEN),
        "sip.trunks": [{"name": "here", "networks": ["127.0.0.0/8"], "secure_sound": sound}],
        "sip.transports": ["udp", "tcp", "tls"],
        "sip.tls": {
            "port": 0,
            "certificate": str(shown.certificate),
            "key": str(shown.key),
        },
    }
    async with open_place(server, changes) as place:
        yield place


async def ring(place: Place, phone: Baresip | Linphone, transport: str) -> None:
    """Journey 3 of a phone without an ear: by the clock."""
    holder = place.holders["password"]
    async with phone:
        await phone.dial(place.server.uri(NATIONAL, transport))
        await asyncio.sleep(WELCOME)
        for entry in (holder.postal_code, holder.matricule, holder.secret, "1"):
            await phone.keys(entry)
            await asyncio.sleep(BREATH)
        await asyncio.sleep(PAYMENTS)
        await phone.hang_up()
    await three_payments_were_told(place, phone.heard)


async def three_payments_were_told(place: Place, heard: Path) -> None:
    record = await place.server.record_number(1)
    assert record["authenticated"] == "password"
    assert record["dtmf"] == ["rfc4733"]
    assert (record["end_class"], record["end_reason"]) == ("caller", "hung_up")
    assert in_order(record["prompts"], "ask_postal_code", "ask_matricule", "payments_intro")
    spoken = record["prompts"][record["prompts"].index("payments_intro") :]
    for kind in ("benefit_*", "day_*", "month_*", "euros"):
        assert spoken.count(kind) == 3, kind
    payments = ["payments_intro", "benefit_apl", "benefit_af", "benefit_rsa"]
    assert in_order(place.by_ear(heard, payments), *payments)


@WAYS
async def test_baresip(
    place: Place, folder: Path, authority: Authority, transport: str, secure: bool
) -> None:
    phone = Baresip(folder, transport=transport, authorities=authority.file, secure_sound=secure)
    await ring(place, phone, transport)


@WAYS
async def test_linphone(
    place: Place, folder: Path, authority: Authority, transport: str, secure: bool
) -> None:
    phone = Linphone(folder, authorities=authority.file, secure_sound=secure)
    await ring(place, phone, transport)


async def test_linphone_whose_sound_is_at_an_ipv6_address(
    place: Place, folder: Path, authority: Authority
) -> None:
    """The server has IPv4 sockets alone: it answers to where the phone's sound comes from."""
    await ring(place, Linphone(folder, authorities=authority.file, ipv6=True), "udp")


@WAYS
async def test_pjsip(
    place: Place, folder: Path, authority: Authority, transport: str, secure: bool
) -> None:
    holder = place.holders["password"]
    heard = folder / "heard.wav"
    async with Softphone(
        place.server.uri(NATIONAL, transport),
        record=heard,
        transport=transport,
        srtp="required" if secure else "off",
        more=["--tls-authorities", str(authority.file)] if transport == "tls" else [],
    ) as phone:
        await phone.answered()
        await phone.prompt_end()
        await key(phone, holder.postal_code, holder.matricule)
        await phone.keys(f"{holder.secret}1,")
        await phone.hang_up()
    await three_payments_were_told(place, heard)


async def test_baresip_holds_the_call_and_comes_back(
    place: Place, folder: Path, authority: Authority
) -> None:
    holder = place.holders["pin"]
    async with Baresip(folder, transport="udp", authorities=authority.file) as phone:
        await phone.dial(place.server.uri(PARIS))
        await asyncio.sleep(BREATH)
        await phone.hold()
        await phone.resume()
        await asyncio.sleep(WELCOME)
        await phone.keys(holder.matricule)
        await asyncio.sleep(BREATH)
        await phone.keys(f"{holder.secret}#")
        await asyncio.sleep(2 * BREATH)
        await phone.hang_up()
    record = await place.server.record_number(1)
    assert record["authenticated"] == "pin"


@pytest.fixture
async def asking(
    prepared: Callable[[Path], None], tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[RunningServer]:
    """A server that wants the password of a branch, by the algorithms of its parameter."""
    folder = tmp_path / "server"
    folder.mkdir()
    prepared(folder)
    password = tmp_path / "branch.password"
    password.write_text(f"{PASSWORD}\n", encoding="ascii")
    users = [{"user": "branch", "password_file": str(password)}]
    trunks = [{"name": "branch", "digest": {"users": users, "algorithms": request.param}}]
    async with running_server(folder, {"sip.trunks": trunks}) as server:
        yield server


async def gets_in_by_password(phone: Baresip | Linphone, server: RunningServer) -> None:
    async with phone:
        await phone.dial(server.uri(PARIS))
        await asyncio.sleep(BREATH)
        await phone.hang_up()
    record = await server.record_number(1)
    assert (record["end_class"], record["end_reason"]) == ("caller", "hung_up")
    assert "trunk=branch" in server.log()
    assert "tulip" not in server.log()


@pytest.mark.parametrize("asking", [["MD5"]], indirect=True, ids=["MD5"])
async def test_baresip_gives_its_password_where_md5_alone_is_asked_for(
    asking: RunningServer, folder: Path, authority: Authority
) -> None:
    """Its library takes the first challenge or none, and knows MD5 only."""
    phone = Baresip(
        folder, transport="udp", authorities=authority.file, user="branch", password=PASSWORD
    )
    await gets_in_by_password(phone, asking)


@pytest.mark.parametrize("asking", [["SHA-256", "MD5"]], indirect=True, ids=["both"])
async def test_linphone_gives_its_password(
    asking: RunningServer, folder: Path, authority: Authority
) -> None:
    phone = Linphone(folder, authorities=authority.file, user="branch", password=PASSWORD)
    await gets_in_by_password(phone, asking)
