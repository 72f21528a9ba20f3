"""Who comes in with a password (RFC 7616, RFC 8760), over a wire without sockets."""

import hashlib
from pathlib import Path

import pytest

from ivr.config import GuessSection, SipSection
from ivr.doorkeeper import Doorkeeper
from ivr.sip.digest import Algorithm, UserKey, parse
from ivr.sip.events import Dropped, DropReason, Invited
from ivr.sip.flow import Flow
from tests.sip.caller import Caller, final
from tests.wire import HERE, Sent, Wire

PASSWORD = "correct horse"


def guarded(
    folder: Path,
    *,
    networks: tuple[str, ...] = (),
    algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
    **sip: object,
) -> Wire:
    (folder / "secret").write_text(PASSWORD, encoding="utf-8")
    users = [{"user": "branch", "password_file": str(folder / "secret")}]
    digest = {"users": users, "algorithms": algorithms}
    trunk = {"name": "branches", "networks": networks, "digest": digest}
    section = SipSection.model_validate({"trunks": [trunk, "198.51.100.0/24"], **sip})
    return Wire(admission=Doorkeeper(section))


class Client:
    """A phone that answers challenges, written from RFC 7616 and not from our code."""

    def __init__(self, wire: Wire, user: str = "branch", password: str = PASSWORD) -> None:
        self.wire, self.user, self.password = wire, user, password
        self.caller = Caller(wire)

    def ask(self, method: str = "OPTIONS", authorization: str = "") -> Sent:
        headers = f"Authorization: {authorization}" if authorization else ""
        return final(self.wire.deliver(self.caller.request(method, headers=headers)))

    def challenge(self, algorithm: str = "SHA-256") -> str:
        values = self.ask().headers("WWW-Authenticate")
        return parse(next(value for value in values if f"algorithm={algorithm}" in value))["nonce"]

    def answer(
        self, nonce: str, *, count: int = 1, algorithm: str = "SHA-256", method: str = "OPTIONS"
    ) -> str:
        def hashed(text: str) -> str:
            make = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
            return make(text.encode()).hexdigest()

        uri, nc, realm = "sip:0810257510@192.0.2.1", f"{count:08x}", "voice-server"
        secret = hashed(f"{self.user}:{realm}:{self.password}")
        response = hashed(f"{secret}:{nonce}:{nc}:abc:auth:" + hashed(f"{method}:{uri}"))
        return (
            f'Digest username="{self.user}", realm="{realm}", nonce="{nonce}", uri="{uri}",'
            f' response="{response}", algorithm={algorithm}, cnonce="abc", qop=auth, nc={nc}'
        )


def test_the_examples_of_rfc_7616() -> None:
    """§3.9.1."""
    key = UserKey("Mufasa", "http-auth@example.org", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    given = ("GET", "/dir/index.html", nonce, "00000001", cnonce)
    assert key.response(Algorithm.MD5, *given) == "8ca523f5e9506fed4657c9700eebdbec"
    assert key.response(Algorithm.SHA_256, *given) == (
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    )


def test_who_gives_no_password_is_challenged_with_sha_256_first(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    answer = Client(wire).ask("INVITE")
    assert answer.status == 401
    first, second = (parse(value) for value in answer.headers("WWW-Authenticate"))
    assert (first["algorithm"], second["algorithm"]) == ("SHA-256", "MD5")
    assert (first["qop"], first["realm"]) == ("auth", "voice-server")
    assert "stale" not in first
    assert wire.agent.counts().server_transactions == 0


def test_a_trunk_may_ask_for_md5_alone(tmp_path: Path) -> None:
    client = Client(guarded(tmp_path, algorithms=("MD5",)))
    (only,) = (parse(value) for value in client.ask("INVITE").headers("WWW-Authenticate"))
    assert only["algorithm"] == "MD5"
    refused = client.ask(authorization=client.answer(only["nonce"]))
    assert (refused.status, "MD5" in str(refused.lines)) == (401, True)
    right = client.answer(only["nonce"], algorithm="MD5")
    assert client.ask(authorization=right).status == 200


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_lets_in(tmp_path: Path, algorithm: str) -> None:
    client = Client(guarded(tmp_path))
    nonce = client.challenge(algorithm)
    assert client.ask(authorization=client.answer(nonce, algorithm=algorithm)).status == 200
    again = client.answer(nonce, count=2, algorithm=algorithm)
    assert client.ask(authorization=again).status == 200


def test_the_call_is_of_the_trunk_of_its_user(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    client = Client(wire)
    authorization = client.answer(client.challenge(), method="INVITE")
    client.caller.invite(headers=f"Authorization: {authorization}")
    assert wire.only(Invited).trunk == "branches"


def test_a_wrong_password_and_an_unknown_user_get_the_same(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    answers = []
    for client in (Client(wire, password="wrong"), Client(wire, user="nobody")):
        answer = client.ask(authorization=client.answer(client.challenge()))
        answers.append((answer.status, [line.partition(":")[0] for line in answer.lines]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    reasons = [event.reason for event in wire.all(Dropped)]
    assert reasons.count(DropReason.WRONG_PASSWORD) == 2


def test_a_count_that_was_used_is_stale(tmp_path: Path) -> None:
    client = Client(guarded(tmp_path))
    authorization = client.answer(client.challenge(), count=7)
    assert client.ask(authorization=authorization).status == 200
    replayed = client.ask(authorization=authorization)
    assert (replayed.status, "stale=true" in str(replayed.lines)) == (401, True)


def test_a_copy_of_the_same_request_is_no_replay(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    client = Client(wire)
    headers = f"Authorization: {client.answer(client.challenge())}"
    message = client.caller.request("OPTIONS", headers=headers)
    assert [final(wire.deliver(message)).status for _ in range(2)] == [200, 200]


def test_an_old_nonce_is_stale_and_a_new_one_lets_in(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    client = Client(wire)
    nonce = client.challenge()
    wire.now += 301
    answer = client.ask(authorization=client.answer(nonce))
    assert (answer.status, "stale=true" in str(answer.lines)) == (401, True)
    renewed = parse(answer.headers("WWW-Authenticate")[0])["nonce"]
    assert client.ask(authorization=client.answer(renewed)).status == 200


def test_a_nonce_counts_only_where_it_was_given(tmp_path: Path) -> None:
    wire = guarded(tmp_path)
    client = Client(wire)
    nonce = client.challenge()
    wire.flow = Flow("udp", HERE, ("203.0.113.9", 5060))
    assert client.ask(authorization=client.answer(nonce)).status == 401
    assert DropReason.WRONG_PASSWORD not in [event.reason for event in wire.all(Dropped)]


def test_too_many_wrong_passwords_make_a_stranger_of_an_address_alone(tmp_path: Path) -> None:
    wire = guarded(tmp_path, guesses={"allowed": 3, "minutes": 1})
    guesser, owner = Client(wire, password="wrong"), Client(wire)
    nonce = guesser.challenge()
    statuses = [
        guesser.ask(authorization=guesser.answer(nonce, count=count)).status
        for count in range(1, 6)
    ]
    assert statuses == [401, 401, 401, 403, 403]
    assert owner.ask(authorization=owner.answer(nonce, count=9)).status == 403
    here, wire.flow = wire.flow, Flow("udp", HERE, ("203.0.113.9", 5060))
    assert owner.ask(authorization=owner.answer(owner.challenge())).status == 200
    wire.flow = here
    wire.now += 61
    assert owner.ask(authorization=owner.answer(owner.challenge())).status == 200


def test_a_reload_forgets_no_guesses_and_knows_the_new_password(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD, encoding="utf-8")
    users = [{"user": "branch", "password_file": str(secret)}]
    trunks = [{"name": "branches", "digest": {"users": users}}]
    section = SipSection.model_validate({"trunks": trunks, "guesses": {"allowed": 2}})
    door = Doorkeeper(section)
    wire = Wire(admission=door)
    guesser, owner = Client(wire, password="wrong"), Client(wire, password="the new one")
    here, elsewhere = wire.flow, Flow("udp", HERE, ("203.0.113.9", 5060))
    nonce = guesser.challenge()
    for count in (1, 2):
        guesser.ask(authorization=guesser.answer(nonce, count=count))
    secret.write_text("the new one", encoding="utf-8")
    door.adopt(section.model_copy(update={"max_calls": 7}))
    assert guesser.ask(authorization=guesser.answer(nonce, count=3)).status == 403
    wire.flow = elsewhere
    assert owner.ask(authorization=owner.answer(owner.challenge())).status == 200
    door.adopt(section.model_copy(update={"guesses": GuessSection(allowed=5)}))
    wire.flow = here
    assert guesser.ask().status == 401


def test_an_address_of_the_trunk_needs_the_password_too(tmp_path: Path) -> None:
    client = Client(guarded(tmp_path, networks=("192.0.2.0/24",)))
    assert client.ask().status == 401
    assert client.ask(authorization=client.answer(client.challenge())).status == 200


def test_the_password_is_no_use_from_elsewhere_when_the_trunk_has_networks(
    tmp_path: Path,
) -> None:
    client = Client(guarded(tmp_path, networks=("203.0.113.0/24",)))
    assert client.ask().status == 403


@pytest.mark.parametrize("text", ['Digest realm="voice-server', "Digest a", "Digest a=1, a=2"])
def test_credentials_that_make_no_sense_get_400(tmp_path: Path, text: str) -> None:
    assert Client(guarded(tmp_path)).ask(authorization=text).status == 400
