"""Registering with a PBX or provider: schedule, challenges, failures (RFC 3261 §10.2)."""

import hashlib

import pytest
from pydantic import SecretStr

from ivr.sip.digest import parse
from ivr.sip.events import Registered
from ivr.sip.registration import Account
from tests.sip.caller import response_to
from tests.wire import Sent, Wire

PASSWORD = "correct horse"


def registering(wire: Wire, expires: int = 3600) -> Sent:
    """Begin; the first REGISTER comes back."""
    account = Account(
        name="pbx",
        uri="sip:pbx.example",
        flow=wire.flow,
        user="ivr",
        line="0810257510",
        expires=expires,
        password=SecretStr(PASSWORD),
    )
    (register,) = wire.do(lambda agent: agent.register(account, wire.now))
    return register


def states(wire: Wire) -> list[tuple[str, int]]:
    return [(event.state, event.status) for event in wire.all(Registered)]


def granted(register: Sent, seconds: int) -> bytes:
    contact = f"Contact: {register.header('Contact')};expires={seconds}"
    return response_to(register, 200, headers=contact)


def challenge(algorithm: str = "SHA-256", nonce: str = "n1", more: str = "") -> str:
    return (
        f'WWW-Authenticate: Digest realm="pbx", nonce="{nonce}", algorithm={algorithm},'
        f' qop="auth,auth-int", opaque="o\\"x"{more}'
    )


def is_right(register: Sent, header: str = "Authorization") -> bool:
    """Whether the answer is what RFC 7616 says it must be."""
    given = parse(register.header(header))
    make = hashlib.sha256 if given["algorithm"] == "SHA-256" else hashlib.md5

    def hashed(text: str) -> str:
        return make(text.encode()).hexdigest()

    secret, request = hashed(f"ivr:pbx:{PASSWORD}"), hashed(f"REGISTER:{given['uri']}")
    middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
    return given["response"] == hashed(f"{secret}:{middle}:{request}")


def test_a_register_says_who_where_and_for_how_long() -> None:
    register = registering(Wire())
    assert register.start == "REGISTER sip:pbx.example SIP/2.0"
    assert register.header("To") == "<sip:ivr@pbx.example>"
    assert register.header("From").startswith("<sip:ivr@pbx.example>;tag=")
    assert register.header("Contact") == "<sip:0810257510@192.0.2.1:5060;transport=udp>"
    assert register.header("Expires") == "3600"


def test_it_is_refreshed_before_the_registrar_s_time_is_over() -> None:
    wire = Wire()
    first = registering(wire)
    wire.deliver(granted(first, 120))
    assert states(wire) == [("registered", 200)]
    assert wire.run_until(87) == []
    (refresh,) = wire.run_until(88.1)
    assert refresh.header("Call-ID") == first.header("Call-ID")
    assert refresh.header("CSeq") == "2 REGISTER"
    wire.deliver(granted(refresh, 3600))
    late, *_ = wire.run_until(88 + 3240 + 1)
    assert late.at == pytest.approx(88 + 3240, abs=0.5)


def test_the_expires_header_holds_where_our_contact_names_no_time() -> None:
    wire = Wire()
    register = registering(wire)
    wire.deliver(response_to(register, 200, headers="Expires: 100"))
    refresh, *_ = wire.run_until(69)
    assert refresh.at == pytest.approx(68, abs=0.1)


def test_a_lost_register_is_sent_again() -> None:
    wire = Wire()
    registering(wire)
    assert [sent.at for sent in wire.run_until(4)] == [0.5, 1.5, 3.5]


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_a_challenge_is_answered(algorithm: str) -> None:
    wire = Wire()
    first = registering(wire)
    (second,) = wire.deliver(response_to(first, 401, headers=challenge(algorithm)))
    assert is_right(second)
    assert second.header("CSeq") == "2 REGISTER"
    assert parse(second.header("Authorization"))["opaque"] == 'o"x'
    wire.deliver(granted(second, 60))
    assert states(wire) == [("registered", 200)]
    refresh, *_ = wire.run_until(40)
    assert is_right(refresh)
    assert parse(refresh.header("Authorization"))["nc"] == "00000002"


def test_the_strongest_algorithm_that_is_offered_is_taken() -> None:
    wire = Wire()
    offers = "\r\n".join([challenge("SHA-512-256"), challenge("MD5"), challenge("SHA-256")])
    (answer,) = wire.deliver(response_to(registering(wire), 401, headers=offers))
    assert parse(answer.header("Authorization"))["algorithm"] == "SHA-256"


def test_a_proxy_s_challenge_is_answered_to_the_proxy() -> None:
    wire = Wire()
    asked = challenge().replace("WWW-", "Proxy-")
    (answer,) = wire.deliver(response_to(registering(wire), 407, headers=asked))
    assert is_right(answer, "Proxy-Authorization")


def test_a_stale_nonce_is_replaced() -> None:
    wire = Wire()
    (second,) = wire.deliver(response_to(registering(wire), 401, headers=challenge()))
    stale = challenge(nonce="n2", more=", stale=true")
    (third,) = wire.deliver(response_to(second, 401, headers=stale))
    assert parse(third.header("Authorization"))["nonce"] == "n2"
    assert is_right(third)


def test_a_wrong_password_is_not_tried_again_and_again() -> None:
    wire = Wire()
    (second,) = wire.deliver(response_to(registering(wire), 401, headers=challenge()))
    assert wire.deliver(response_to(second, 401, headers=challenge(nonce="n2"))) == []
    assert states(wire) == [("failed", 401)]
    assert wire.run_until(14.9) == []


def test_423_is_answered_with_the_longer_time() -> None:
    wire = Wire()
    first = registering(wire, expires=60)
    (second,) = wire.deliver(response_to(first, 423, headers="Min-Expires: 1800"))
    assert second.header("Expires") == "1800"
    wire.deliver(response_to(second, 423, headers="Min-Expires: 1800"))
    assert states(wire) == [("failed", 423)]


def test_failures_are_tried_again_ever_more_slowly() -> None:
    wire = Wire()
    register, waits = registering(wire), []
    for _ in range(9):
        at = wire.elapsed
        wire.deliver(response_to(register, 503))
        sent: list[Sent] = []
        while not sent:
            wire.jump()
            sent = wire.take()
        (register,) = sent
        waits.append(wire.elapsed - at)
    for wait, longest in zip(waits, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800], strict=True):
        assert longest / 2 <= wait <= longest
    wire.deliver(granted(register, 3600))
    assert states(wire)[-1] == ("registered", 200)


def test_retry_after_is_heeded() -> None:
    wire = Wire()
    wire.deliver(response_to(registering(wire), 503, headers="Retry-After: 300"))
    assert wire.run_until(299) == []
    assert len(wire.run_until(301)) >= 1


def test_nobody_answers_and_it_is_tried_again() -> None:
    wire = Wire()
    registering(wire)
    wire.run_until(33)
    assert states(wire) == [("failed", 408)]
    assert wire.run_until(70)


def test_stopping_takes_the_binding_back() -> None:
    wire = Wire()
    register = registering(wire)
    (second,) = wire.deliver(response_to(register, 401, headers=challenge()))
    wire.deliver(granted(second, 3600))
    (last,) = wire.do(lambda agent: agent.unregister("pbx", wire.now))
    assert last.header("Expires") == "0"
    assert is_right(last)
    wire.deliver(response_to(last, 200))
    assert states(wire)[-1] == ("ended", 200)
    assert wire.run_until(7200) == []
    assert wire.agent.counts().client_transactions == 0


def test_stopping_without_a_binding_sends_nothing() -> None:
    wire = Wire()
    wire.deliver(response_to(registering(wire), 503))
    assert wire.do(lambda agent: agent.unregister("pbx", wire.now)) == []
    assert states(wire)[-1] == ("ended", 0)


def test_the_password_shows_nowhere() -> None:
    wire = Wire()
    (second,) = wire.deliver(response_to(registering(wire), 401, headers=challenge()))
    registration = wire.agent.registrations["pbx"]
    assert PASSWORD.encode() not in second.data
    assert PASSWORD not in repr((registration, vars(registration), wire.events))
