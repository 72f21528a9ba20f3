"""Tries that are many together: from one address, over one trunk, in all; devices known again."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from auth_core import AuthService, Channel, Secret, Source
from auth_core.throttle import Surge
from tests.auth_core.conftest import (
    APPLICANT,
    NOBODY,
    PIN_HOLDER,
    STRANGER,
    House,
    guess,
    is_in,
)

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
SURGES = {"per_trunk": 4, "in_all": 8, "slow_seconds": 1.5}


def browser(address: str | None = None, device: str | None = None) -> Source:
    return Source(Channel.WEB, reference="request-1", address=address, device=device)


async def fail(core: AuthService, times: int, source: Source) -> list[bool]:
    """Whether each answer was that the caller is busy."""
    verdicts = [await core.authenticate(NOBODY, Secret("4821"), source) for _ in range(times)]
    return [verdict.busy for verdict in verdicts]


async def test_an_address_that_sprays_is_slowed_then_busy(house: House) -> None:
    core = await house.open(addresses={"slow_after": 3, "slow_seconds": 1.5, "busy_after": 6})
    assert await fail(core, 8, browser("198.51.100.7")) == [False] * 6 + [True] * 2
    assert house.slept.count(1.5) == 3
    assert not await is_in(core, PIN_HOLDER, "4821", browser("198.51.100.7"))
    assert await is_in(core, PIN_HOLDER, "4821", browser("198.51.100.8"))
    house.advance(hours=1)
    assert await is_in(core, PIN_HOLDER, "4821", browser("198.51.100.7"))
    await core.close()


async def test_a_subscriber_s_ipv6_network_is_one_address(house: House) -> None:
    core = await house.open(addresses={"slow_after": 4, "busy_after": 4})
    for host in range(1, 5):
        await fail(core, 1, browser(f"2001:db8:0:7::{host}"))
    assert await fail(core, 1, browser("2001:db8:0:7:ffff::1")) == [True]
    assert await fail(core, 1, browser("2001:db8:0:8::1")) == [False]
    await core.close()


@pytest.mark.parametrize("address", ["203.0.113.9", "::ffff:203.0.113.9"])
async def test_networks_of_kiosks_and_social_workers_are_not_limited(
    house: House, address: str
) -> None:
    allowed = {"slow_after": 2, "busy_after": 2, "allow": ["203.0.113.0/24"]}
    core = await house.open(addresses=allowed)
    assert not any(await fail(core, 6, browser(address)))
    await core.close()


async def test_what_is_no_address_is_limited_as_it_is(house: House) -> None:
    core = await house.open(addresses={"slow_after": 2, "busy_after": 2})
    assert await fail(core, 3, browser("unknown")) == [False, False, True]
    await core.close()


async def test_a_trunk_that_sprays_delays_its_answers_and_is_never_busy(house: House) -> None:
    core = await house.open(surges=SURGES, callers={"slow_after": 1000, "busy_after": 1000})
    with capture_logs() as logs:
        spraying = Source(Channel.TELEPHONE, caller="+33199001122", trunk="north")
        assert not any(await fail(core, 6, spraying))
    assert house.slept.count(1.5) == 2
    assert [entry["alarm"] for entry in logs if "alarm" in entry] == ["failures_per_trunk"]
    elsewhere = Source(Channel.TELEPHONE, caller="+33199001122", trunk="south")
    assert await is_in(core, PIN_HOLDER, "4821", elsewhere)
    assert house.slept.count(1.5) == 2
    house.advance(minutes=2)
    assert await is_in(core, PIN_HOLDER, "4821", spraying)
    assert house.slept.count(1.5) == 2
    await core.close()


async def test_a_surge_in_all_delays_everybody_and_refuses_nobody(house: House) -> None:
    core = await house.open(surges=SURGES)
    with capture_logs() as logs:
        for _ in range(8):
            await fail(core, 1, browser())
    assert [entry["alarm"] for entry in logs if "alarm" in entry] == ["failures_in_all"]
    assert 1.5 not in house.slept
    assert await is_in(core, PIN_HOLDER, "4821", STRANGER)
    assert house.slept.count(1.5) == 1
    await core.close()


def test_a_surge_counts_two_minutes_and_forgets_the_rest() -> None:
    surge = Surge(BEGIN)
    for second in range(10):
        surge = surge.charge(BEGIN + timedelta(seconds=second))
    assert surge.slow(BEGIN + timedelta(seconds=30), 10)
    assert surge.slow(BEGIN + timedelta(seconds=119), 10)
    assert not surge.slow(BEGIN + timedelta(seconds=120), 10)
    later = surge.charge(BEGIN + timedelta(seconds=61))
    assert (later.failures, later.before) == (1, 10)
    assert not surge.slow(BEGIN, 11)


async def test_a_device_that_logged_in_before_has_an_allowance_of_its_own(
    core: AuthService,
) -> None:
    mine = browser(device="a device's own long token")
    assert await is_in(core, APPLICANT, "70316284", mine)
    for _ in range(5):
        await is_in(core, APPLICANT, "11112222", browser(device="another's token"))
    assert not await is_in(core, APPLICANT, "70316284", browser(device="another's token"))
    assert await is_in(core, APPLICANT, "70316284", mine)


async def test_a_device_is_known_for_the_files_it_opened_alone(core: AuthService) -> None:
    mine = browser(device="a device's own long token")
    assert await is_in(core, APPLICANT, "70316284", mine)
    await guess(core, 5)
    assert not await is_in(core, PIN_HOLDER, "4821", mine)


async def test_of_many_devices_the_latest_are_remembered(house: House) -> None:
    core = await house.open(known_devices=2)
    for device in ("first", "second", "third"):
        assert await is_in(core, PIN_HOLDER, "4821", browser(device=device))
        house.advance(minutes=1)
    await guess(core, 5)
    assert not await is_in(core, PIN_HOLDER, "4821", browser(device="first"))
    assert await is_in(core, PIN_HOLDER, "4821", browser(device="second"))
    await core.close()
