"""What Prometheus reads: figures by fixed names, and never a word of a peer's."""

import asyncio
import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.running import PROJECT, run, running_server, write_config
from tests.softphone import Softphone
from tests.sounds import Press, samples, tone, write_wav
from tests.test_start_faults import refused

Prepared = Callable[[Path], None]
pytestmark = pytest.mark.socket
DEPLOY = PROJECT / "deploy"

SCAN = (
    "{method} sip:100@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK-{method};rport\r\n"
    'From: "canary-of-a-scanner" <sip:100@1.1.1.1>;tag=6434\r\nTo: <sip:100@1.1.1.1>\r\n'
    "Call-ID: {method}-814\r\nCSeq: 1 {method}\r\nUser-Agent: friendly-scanner\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


async def scraped(console: str) -> str:
    def read() -> str:
        with urllib.request.urlopen(f"{console}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


async def test_a_call_and_a_scan_are_seen_and_no_word_of_the_scanner(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    trunks = [{"name": "operator", "networks": ["127.0.0.1/32"]}]
    changes = {"sip.trunks": trunks, "sip.strangers": "drop", "sip.host": "0.0.0.0"}
    async with running_server(tmp_path, changes) as server:
        console = server.ready["console"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
            scanner.bind(("127.0.0.2", 0))
            for method in ("OPTIONS", "REGISTER", "CANARY"):
                message = SCAN.format(method=method).encode()
                scanner.sendto(message, ("127.0.0.1", server.port))
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            during = await scraped(console)
            while 'ivr_media_calls{worker="0"} 1.0' not in during:  # looked at once a second
                during = await scraped(console)
            await phone.hang_up()
        await server.record_number(1)
        after = await scraped(console)
    for line in (
        'ivr_sip_requests_total{method="INVITE"} 1.0',
        'ivr_sip_requests_total{method="other"} 1.0',
        'ivr_sip_dropped_total{reason="stranger"} 3.0',
        'ivr_trunk_calls{trunk="operator"} 1.0',
        "ivr_calls 1.0",
        "auth_hash_waiting 0.0",
        'auth_hash_wait_seconds_bucket{le="+Inf"} 0.0',
    ):
        assert line in during.splitlines()
    for counted in (
        'ivr_media_tick_late_seconds_bucket{le="+Inf",worker="0"}',
        'ivr_media_memory_bytes{worker="0"}',
        "ivr_loop_step_seconds_count",
    ):
        assert _value_of(counted, during) > 0
    assert "ivr_calls 0.0" in after.splitlines()
    assert 'ivr_calls_ended_total{end_class="caller",reason="hung_up"} 1.0' in after.splitlines()
    assert "canary" not in (during + after).lower()


async def test_a_login_is_seen_everywhere_and_all_that_deploy_asks_for_is_told(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path) as server:
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.keys("01234564821#")
            while 'outcome="granted"' not in await scraped(server.ready["console"]):
                await asyncio.sleep(0.1)
            await phone.hang_up()
        await server.record_number(1)
        scrape = await scraped(server.ready["console"])
    for line in (
        'ivr_sip_invite_answers_total{status="200",trunk="private"} 1.0',
        'ivr_calls_answered_total{line="0810257510"} 1.0',
        'ivr_calls_ended_total{end_class="caller",reason="hung_up"} 1.0',
        'ivr_calls_ended_total{end_class="server",reason="failed"} 0.0',
        'ivr_calls_authenticated_total{kind="pin"} 1.0',
        'ivr_node_entries_total{dialplan="caller",node="ask_matricule"} 1.0',
        'auth_verdicts_total{channel="telephone",kind="pin",outcome="granted"} 1.0',
        'auth_throttled_total{by="locked"} 0.0',
        'ivr_calls_keys_total{way="rfc4733"} 1.0',
        'ivr_rtp_mos_count{trunk="private"} 1.0',
        'ivr_rtp_packets_total{trunk="private",way="lost"} 0.0',
        'ivr_calls_unheard_total{trunk="private"} 0.0',
        'outbox_delivered_total{way="sms"} 0.0',
    ):
        assert line in scrape.splitlines()
    for counted in (
        "ivr_sip_request_delay_seconds_count",
        "ivr_call_duration_seconds_sum",
        'ivr_rtp_packets_total{trunk="private",way="received"}',
        "process_resident_memory_bytes",
    ):
        assert _value_of(counted, scrape) > 0
    assert 'ivr_node_ends_total{dialplan="caller",end_class="caller",node="' in scrape
    assert not asked_for() - told(scrape)
    assert await run("promtool", "check", "metrics", stdin=scrape) == (0, "", "")


def told(scrape: str) -> set[str]:
    """The metrics of a scrape, by every name under which their samples can be asked for."""
    names = set()
    for line in scrape.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {name + end for end in ("_bucket", "_sum", "_count")}
            names |= {name} if kind != "histogram" else set()
    return names


def asked_for() -> set[str]:
    """The metrics that the rules, the alerts and the dashboard of `deploy/` are about."""
    files = [*DEPLOY.glob("prometheus/*.yml"), *DEPLOY.glob("grafana/*.json")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    names = set(re.findall(r"(?<![\w:])(?:ivr|auth|outbox|process)_[a-z_]+\b(?!:)", text))
    assert len(names) > 20
    return names


def _value_of(name: str, scrape: str) -> float:
    return next(
        float(line.rpartition(" ")[2]) for line in scrape.splitlines() if line.startswith(name)
    )


async def test_how_keys_came_and_what_was_none_is_seen_and_which_keys_is_not(
    prepared: Prepared, tmp_path: Path
) -> None:
    prepared(tmp_path)
    too_short = tmp_path / "too_short.wav"
    write_wav(too_short, np.concatenate([tone("5", Press(tone_ms=20)), np.zeros(samples(200))] * 4))
    async with running_server(tmp_path) as server:
        async with Softphone(server.uri("0810257510"), way="inband") as phone:
            await phone.answered()
            await phone.say(too_short)
            await phone.pause(1.5)
            await phone.press("inband", "5")
            await phone.press("rfc4733", "5")
            await phone.hang_up()
        async with Softphone(server.uri("0810257510")) as phone:
            await phone.answered()
            await phone.hang_up()
        record = await server.record_number(1)
        await server.record_number(2)
        after = await scraped(server.ready["console"])
    assert record["dtmf"] == ["inband", "rfc4733"]
    assert record["dtmf_rejects"]["too_short"] == 4
    assert {line for line in after.splitlines() if line.startswith("ivr_calls_keys_total")} == {
        'ivr_calls_keys_total{way="inband"} 1.0',
        'ivr_calls_keys_total{way="rfc4733"} 1.0',
        'ivr_calls_keys_total{way="none"} 1.0',
    }
    assert _value_of('ivr_dtmf_rejects_total{reason="too_short"}', after) == 4


async def test_a_console_port_that_another_program_has(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refused(write_config(tmp_path, {"console.port": port}))
    assert f"127.0.0.1:{port}" in said
    assert "console.port" in said


async def test_no_console_when_the_operator_wants_none(prepared: Prepared, tmp_path: Path) -> None:
    prepared(tmp_path)
    async with running_server(tmp_path, {"console.port": None}) as server:
        assert server.ready["console"] is None
