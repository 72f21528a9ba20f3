"""sipp rings the signalling over real sockets: floods, losses, and INVITEs sent twice."""

import asyncio
import shutil
from pathlib import Path

import pytest

from ivr.sip.session_terms import SessionPolicy
from tests.chaos import CALM, LATE, STORM, Chaos, Weather
from tests.sip.answering import Answering

pytestmark = pytest.mark.socket

SCENARIOS = Path(__file__).parent / "scenarios"
LIMIT = 60.0


async def sipp(
    scenario: str, port: int, folder: Path, *arguments: str, transport: str = "u1"
) -> str:
    """Run a scenario to its end; fails with what sipp says when a call failed."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("sipp") or "/usr/bin/sipp",
        f"127.0.0.1:{port}",
        *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-s", "0810257510"),
        *("-t", transport, "-nostdin", "-trace_err", "-max_socket", "500", *arguments),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LIMIT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        pytest.fail(f"sipp: {process.returncode}\n{output.decode()[-2000:]}\n{_errors(folder)}")
    return output.decode()


def _errors(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.glob("*errors.log"))[-4000:]


def assert_whole(answering: Answering, calls: int) -> None:
    """Each call was one call, was confirmed, and is gone."""
    counts = answering.counts
    assert counts["Invited"] == counts["Released"] == calls
    assert counts["Confirmed"] + counts["ByeReceived"] >= calls
    assert answering.agent.counts().dialogs == 0
    assert answering.agent.counts().requests == 0


@pytest.mark.parametrize(("transport", "protocol"), [("u1", "udp"), ("t1", "tcp"), ("tn", "tcp")])
async def test_calls_succeed(transport: str, protocol: str, tmp_path: Path) -> None:
    async with Answering() as answering:
        port = answering.ports[protocol]
        options = ("-m", "100", "-r", "100", "-l", "100", "-d", "200")
        await sipp("uac_call", port, tmp_path, *options, transport=transport)
        assert_whole(answering, 100)
        assert answering.counts["Confirmed"] == 100
        assert not answering.dropped


async def test_calls_succeed_with_one_message_in_ten_lost_each_way(tmp_path: Path) -> None:
    async with Answering() as answering:
        options = ("-m", "50", "-r", "50", "-l", "100", "-d", "500", "-lost", "10")
        await sipp("uac_call", answering.ports["udp"], tmp_path, *options)
        assert_whole(answering, 50)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_invite_sent_twice_is_one_call(when: str, tmp_path: Path) -> None:
    async with Answering() as answering:
        options = ("-m", "50", "-r", "50", "-l", "100", "-d", "100")
        await sipp(f"uac_invite_twice_{when}", answering.ports["udp"], tmp_path, *options)
        assert_whole(answering, 50)


async def test_a_caller_who_requires_100rel_is_served(tmp_path: Path) -> None:
    async with Answering() as answering:
        options = ("-m", "40", "-r", "40", "-l", "100", "-s", "early")
        await sipp("uac_prack", answering.ports["udp"], tmp_path, *options)
        assert_whole(answering, 40)


@pytest.mark.parametrize("method", ["update", "invite"])
async def test_a_session_is_refreshed(method: str, tmp_path: Path) -> None:
    async with Answering(sessions=SessionPolicy(interval=4, min_se=4)) as answering:
        options = ("-m", "20", "-r", "40", "-l", "100")
        await sipp(f"uac_refreshed_by_{method}", answering.ports["udp"], tmp_path, *options)
        assert_whole(answering, 20)
        assert not answering.counts["SessionExpired"]
        assert (answering.counts["OfferAnswered"] >= 20) == (method == "invite")


async def test_a_wildcard_listener_answers_from_the_address_that_was_rung(tmp_path: Path) -> None:
    async with Answering("0.0.0.0") as answering:
        options = ("-m", "5", "-r", "50", "-d", "50")
        await sipp("uac_call", answering.ports["udp"], tmp_path, *options)
        assert_whole(answering, 5)


TROUBLE = {
    # Scenario, weather there and back, seconds that a call rings at most.
    "lost, doubled and out of order": ("uac_call", STORM, STORM, 0.0),
    "slow ACK": ("uac_slow_ack", CALM, CALM, 0.0),
    "CANCEL meets 200": ("uac_cancel_race", LATE, CALM, 0.1),
    "BYE meets re-INVITE": ("uac_bye_race", CALM, CALM, 0.0),
    "forked early": ("uac_forked", CALM, CALM, 0.0),
    "copies after the BYE": ("uac_after_bye", CALM, CALM, 0.0),
}


@pytest.mark.parametrize(
    ("scenario", "there", "back", "ringing"), TROUBLE.values(), ids=TROUBLE.keys()
)
async def test_trouble_leaves_nothing(
    scenario: str, there: Weather, back: Weather, ringing: float, tmp_path: Path
) -> None:
    async with (
        Answering(ringing=ringing) as answering,
        Chaos(("127.0.0.1", answering.ports["udp"]), there, back) as chaos,
    ):
        options = ["-m", "30", "-r", "50", "-l", "100", "-d", "100"]
        options += ["-pause_msg_ign"] * (scenario == "uac_after_bye")
        await sipp(scenario, chaos.port, tmp_path, *options)
        counts = answering.counts
        assert counts["Invited"] == counts["Released"] == 30
        assert answering.agent.counts().dialogs == 0
        assert answering.agent.counts().client_transactions == 0
