"""`auth-core …` as an operator types it: one clear line on bad input, never a traceback."""

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from auth_core.cli import main
from tests.auth_core.conftest import House

FILE = ("--caf", "751", "--matricule", "0123456")
AGENT = ("--agent", "Mme Martin")
CONFIG = """\
sip: {port: 5070}
auth:
  failure_floor: 0.0
  argon2: {memory_kib: 8, iterations: 1}
"""


@pytest.fixture
def folder(house: House) -> Path:
    config = f"{CONFIG}  database_url: {house.settings.database_url}\n"
    (house.folder / "config.yaml").write_text(config, encoding="utf-8")
    return house.folder


Ran = tuple[int, str, str]
"""Exit code, standard output, standard error."""


class Run(Protocol):
    """Run `auth-core` with these arguments, in this folder and environment."""

    def __call__(
        self, folder: Path, *arguments: str, stdin: str = "", **environment: str
    ) -> Ran: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`auth-core` in this process: its entry point, without the price of a start."""

    def run(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        with monkeypatch.context() as patched:
            patched.chdir(folder)
            patched.setattr(sys, "argv", ["auth-core", *arguments])
            patched.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environment.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def run_apart(folder: Path, *arguments: str, stdin: str = "") -> Ran:
    """`auth-core` in a process of its own."""
    done = subprocess.run(
        [Path(sys.executable).with_name("auth-core"), *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_migrate_and_demo_from_nothing_twice(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for _ in range(2):
        assert run(tmp_path, "migrate")[0] == 0
        status, out, _ = run(tmp_path, "demo")
        assert status == 0
        assert "0345678" in out
    assert (tmp_path / "var" / "auth.db").exists()
    status, out, _ = run(tmp_path, "show", *FILE, *AGENT, "--json")
    assert status == 0
    story = json.loads(out)
    assert story["matricule"] == "…456"
    assert [secret["kind"] for secret in story["secrets"]] == ["pin"]


def test_show_masks_what_must_be(run: Run, folder: Path) -> None:
    _, out, _ = run(folder, "show", *FILE, *AGENT)
    assert "…456" in out
    for hidden in ("0123456", "4821", "980123", "98 01 23", "28503751", "Roquette"):
        assert hidden not in out


def test_create_password_reads_both_secrets_from_standard_input(run: Run, folder: Path) -> None:
    status, out, _ = run(folder, "create-password", *FILE, "--json", stdin="4821\n14031985\n")
    assert status == 1
    assert json.loads(out) == {
        "ok": False,
        "outcome": "unacceptable",
        "reasons": [
            {
                "code": "birth_date",
                "message": "Le mot de passe ne peut pas être une date de naissance du dossier.",
            }
        ],
    }
    assert run(folder, "create-password", *FILE, stdin="4821\n52917364\n")[0] == 0
    status, out, _ = run(folder, "create-password", *FILE, stdin="4821\n52917365\n")
    assert (status, "does not open" in out) == (1, True)


def test_lost_password_answers_the_same_whatever_happened(run: Run, folder: Path) -> None:
    answers = {
        run(folder, "lost-password", *FILE, "--by", "sms", stdin=f"{day_month}\n")
        for day_month in ("1403", "1403", "0101")
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 0
    _, out, _ = run(folder, "show", *FILE, *AGENT, "--json")
    assert {secret["slot"] for secret in json.loads(out)["secrets"]} == {"live", "pending"}


def test_a_program_of_the_back_office_gets_a_token_and_loses_it(run: Run, folder: Path) -> None:
    options = ("--name", "nims", *AGENT)
    code, out, err = run(folder, "add-client", *options, "--scope", "nims", "--scope", "show")
    assert (code, len(out.strip()), err) == (0, 43, "")
    _, listed, _ = run(folder, "clients")
    assert listed.startswith("nims: nims, show, until ")
    assert out.strip() not in listed
    assert run(folder, "remove-client", *options)[0] == 0
    code, out, err = run(folder, "remove-client", *options)
    assert (code, out, err) == (2, "", "there is no client 'nims'; auth-core clients lists them\n")
    assert run(folder, "clients")[1] == "No program may use the API.\n"
    assert run(folder, "add-client", *options, "--scope", "everything")[0] == 2


def test_unlock_opens_a_locked_file(run: Run, folder: Path) -> None:
    for _ in range(5):
        run(folder, "create-password", *FILE, stdin="0000\n52917364\n")
    assert run(folder, "create-password", *FILE, stdin="4821\n52917364\n")[0] == 1
    assert run(folder, "unlock", *FILE, *AGENT)[0] == 0
    assert run(folder, "create-password", *FILE, stdin="4821\n52917364\n")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("show", *FILE), "auth-core: Missing option '--agent'."),
        (("show", *FILE, "--agent", " "), "name of the agent"),
        (("show", "--caf", "75", "--matricule", "0123456", *AGENT), "'--caf': give 3 digits"),
        (("show", "--caf", "751", "--matricule", "12e4567", *AGENT), "give 7 digits"),
        (("show", "--caf", "751", "--matricule", "9999999", *AGENT), "no file …999 at Caf 751"),
        (("unlock", "--caf", "751", "--matricule", "9999999", *AGENT), "no file …999"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("lost-password", *FILE, "--by", "pigeon"), "'pigeon'"),
        (("lost-password", *FILE, "--by", "sms"), "standard input ended before"),
        (("create-password", *FILE), "standard input ended before the present secret"),
        (("create-password", *FILE, "--channel", "telephone"), "'telephone'"),
        (("import-pins", "pins.sealed"), "Missing option '--agent'"),
        (("import-pins", "pins.sealed", *AGENT), "pins.key: the key of sealed PINs is missing"),
        (("seal-pins", "pins.sealed"), "line 1: the header caf;matricule;pin is missing"),
        (("migrate", "--config", "nowhere.yaml"), "nowhere.yaml: No such file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_2(
    run: Run, folder: Path, arguments: tuple[str, ...], line: str
) -> None:
    status, out, err = run(folder, *arguments)
    assert (status, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("auth: {max_failure: 5}", "config.yaml:1: auth.max_failure: unknown key"),
        ("auth:\n  lock:\n    factor: 0", "config.yaml:3: auth.lock.factor: "),
        ("auth:\n  password_validity_months: 25", "config.yaml:2: auth.password_validity_months"),
        ("auth:\n  provisional_validity_months: 3", "config.yaml:2: "),
        ("auth:\n  database_url: nonsense", "database_url is no database address"),
        ("auth: {database_url: 'sqlite+aiosqlite://'}", "names no file"),
        ("auth: [", "config.yaml:"),
        ("auth: 5", "config.yaml:1: auth: "),
    ],
)
def test_a_fault_of_the_configuration_names_its_line(
    run: Run, tmp_path: Path, section: str, line: str
) -> None:
    (tmp_path / "config.yaml").write_text(section + "\n", encoding="utf-8")
    status, out, err = run(tmp_path, "migrate")
    assert (status, out) == (2, "")
    assert line in err
    assert err.count("\n") == 1


def test_the_environment_wins_and_its_faults_name_the_variable(run: Run, folder: Path) -> None:
    status, _, err = run(folder, "migrate", IVR_AUTH__LOCK__FACTOR="x")
    assert status == 2
    assert err.startswith("environment: IVR_AUTH__LOCK__FACTOR: ")
    url = f"sqlite+aiosqlite:///{folder}/var/other.db"
    assert run(folder, "migrate", IVR_AUTH__DATABASE_URL=url)[0] == 0
    assert (folder / "var" / "other.db").exists()


def test_a_missing_pepper_is_one_line(run: Run, folder: Path) -> None:
    (folder / "var" / "pepper.key").unlink()
    for command in (("migrate",), ("demo",), ("show", *FILE, *AGENT)):
        status, _, err = run(folder, *command)
        assert status == 2
        assert "pepper.key: the pepper is missing" in err
        assert err.count("\n") == 1


def test_every_command_explains_itself(run: Run, folder: Path) -> None:
    for command in (
        "migrate", "demo", "show", "unlock", "create-password", "lost-password", "check-password",
        "nims", "separation", "transfer", "register", "affiliate", "close", "expire", "redeem",
        "verify-audit", "deliver", "import", "import-pins", "seal-pins",
    ):  # fmt: skip
        status, out, _ = run(folder, command, "--help")
        assert status == 0
        assert "Usage" in out


@pytest.mark.socket
def test_the_installed_command_works_in_a_process_of_its_own(folder: Path) -> None:
    assert run_apart(folder, "create-password", *FILE, stdin="4821\n52917364\n")[0] == 0
    status, out, err = run_apart(folder, "show", *FILE)
    assert (status, out, err) == (2, "", "auth-core: Missing option '--agent'.\n")


def test_check_password_gives_code_and_sentence(run: Run, folder: Path) -> None:
    status, out, _ = run(folder, "check-password", *FILE, "--json", stdin="14031985\n")
    assert status == 1
    sentence = "Le mot de passe ne peut pas être une date de naissance du dossier."
    assert json.loads(out) == {
        "ok": False,
        "reasons": [{"code": "birth_date", "message": sentence}],
    }
    status, out, _ = run(folder, "check-password", *FILE, *AGENT, "--json", stdin="12345679\n")
    assert (status, json.loads(out)) == (0, {"ok": True, "reasons": []})
    assert "14031985" not in run(folder, "show", *FILE, *AGENT)[1]


def test_only_so_many_passwords_are_judged_a_day(run: Run, folder: Path) -> None:
    for _ in range(20):
        assert run(folder, "check-password", *FILE, stdin="11111111\n")[0] == 1
    status, out, err = run(folder, "check-password", *FILE, stdin="12345679\n")
    assert (status, out) == (2, "")
    assert "too many" in err


@pytest.mark.parametrize(
    "command",
    [("nims",), ("transfer", "--to-caf", "691"), ("affiliate",), ("close",), ("separation",)],
)
def test_acts_of_the_back_office_name_who_acts(
    run: Run, folder: Path, command: tuple[str, ...]
) -> None:
    keeper = ("--keeper", "beneficiary") if command == ("separation",) else ()
    status, _, err = run(folder, *command, *FILE, *keeper)
    assert (status, "--agent" in err) == (2, True)
    status, out, _ = run(folder, *command, *FILE, *keeper, *AGENT, "--json")
    assert status == 0
    assert json.loads(out)["ok"] is True
    assert "0123456" not in out


def test_a_transferred_file_is_unknown_where_it_was(run: Run, folder: Path) -> None:
    moved = run(folder, "transfer", *FILE, "--to-caf", "691", "--to-matricule", "7654321", *AGENT)
    assert moved == (0, "The file is …321 at Caf 691 now.\n", "")
    assert run(folder, "show", *FILE, *AGENT)[0] == 2
    status, out, _ = run(folder, "show", "--caf", "691", "--matricule", "7654321", *AGENT, "--json")
    assert status == 0
    assert json.loads(out)["entries"][1]["act"] == "transferred"
    taken = run(folder, "transfer", "--caf", "691", "--matricule", "7654321", "--to-caf", "751",
                "--to-matricule", "0123456", *AGENT)  # fmt: skip
    assert taken[0] == 2
    assert "was another file's" in taken[2]


FORM = {
    "caf": "751", "name": "Inès Roux", "birth_date": "1999-04-30", "kind": "housing_aid",
    "nir": "2990475116001", "mobile": "06 39 98 09 90",
}  # fmt: skip


def test_register_reads_a_form_and_tells_nothing(run: Run, folder: Path) -> None:
    first = run(folder, "register", "--json", stdin=json.dumps(FORM))
    assert first == (0, '{"ok": true}\n', "")
    assert run(folder, "register", "--json", stdin=json.dumps(FORM)) == first
    status, _, err = run(folder, "register", stdin=json.dumps({**FORM, "kind": "paje"}))
    assert status == 2
    assert "kind" in err
    assert "2990475116001" not in run(folder, "register", stdin='{"nir": "2990475116001"}')[2]


def test_expire_and_verify_audit(run: Run, folder: Path, house: House) -> None:
    status, out, _ = run(folder, "expire", *AGENT, "--json")
    assert (status, set(json.loads(out))) == (0, {"ok", "told", "erased"})
    assert run(folder, "verify-audit") == (0, "The trail is whole.\n", "")
    asyncio.run(house.execute("UPDATE audit SET agent = 'M. Personne' WHERE number = 3"))
    status, out, _ = run(folder, "verify-audit", "--json")
    assert (status, json.loads(out)) == (1, {"ok": False, "first_broken": 3})


def test_an_unknown_reference_is_refused(run: Run, folder: Path) -> None:
    status, out, _ = run(folder, "redeem", *AGENT, "--json", stdin="invented\n")
    assert (status, json.loads(out)) == (1, {"ok": False})
