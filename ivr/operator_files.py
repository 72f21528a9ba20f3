"""The operator's files: the configuration, and what it names: dialplans, recordings, certificates.

Read and checked when the server starts and at each reload; `ivr check` tells the same faults.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auth_core.service import utc_now
from auth_core.yamlfile import KeyPath, YamlFaults
from ivr import recordings
from ivr.config import Config, load
from ivr.dialplan.check import Prompts, check
from ivr.dialplan.schema import Dialplan, parse, suggestion
from ivr.prompts import LANGUAGES, PromptError, Samples, catalogue, load_recordings
from ivr.trunks import PasswordFault

if TYPE_CHECKING:
    from ivr.certificates import Certificates

RESTART_ONLY: tuple[KeyPath, ...] = (
    ("sip", "host"),
    ("sip", "port"),
    ("sip", "transports"),
    ("sip", "tls", "port"),
    ("sip", "advertised_host"),
    ("media", "workers"),
    ("media", "port_range"),
    ("media", "port_rest"),
    ("media", "io_uring"),
    ("media", "cpus"),
    ("media", "nice"),
    ("records",),
    ("control",),
    ("console", "host"),
    ("console", "port"),
    ("console", "behind_tls"),
    ("console", "metrics_from"),
    ("log", "format"),
    ("traces",),
)
"""Keys of sockets, processes and open files: they last as long as the server."""


class StartError(Exception):
    """The server can't start or reload; the message has one line for each fault, with the way
    out."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the files hold, in order. `recordings`: by (language, prompt id). `version`: a short
    name of all of it but certificates and passwords, the same wherever the files are the same."""

    version: str
    config: Config
    plans: Mapping[str, Dialplan]
    recordings: Mapping[tuple[str, str], Samples]
    certificates: "Certificates | None"


def read_files(file: Path, config: Config) -> Files:
    """What `config`, read from `file`, names. Raises `StartError` at what a start would fail on."""
    certificates = load_certificates(config)
    try:
        recorded = load_recordings(config.prompts)
    except PromptError as error:
        raise StartError(str(error)) from error
    prompts = {
        language: frozenset(prompt for spoken, prompt in recorded if spoken == language)
        for language in LANGUAGES
    }
    plans = load_plans(config, prompts)
    return Files(_version(file, plans, recorded), config, plans, recorded, certificates)


def read_again(file: Path, in_force: Config) -> Files:
    """The files as they are now, to be taken in place of those in force.

    Raises `StartError` with every fault that `ivr check` tells, and with every key that has
    changed and can't be taken without a restart.
    """
    try:
        config = load(file)
        found = [*_restart_needed(config, in_force), *faults(config)]
    except YamlFaults as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"{file}: {why(error)}; restore it") from error
    if found:
        raise StartError("\n".join(found))
    return read_files(file, config)


def faults(config: Config) -> list[str]:
    """Everything wrong with what `config` names; one line each."""
    if missing := [
        config.fault((key,), f"{folder} is no folder; name the one that holds the {key}")
        for key, folder in (("prompts", config.prompts), ("dialplans", config.dialplans))
        if not folder.is_dir()
    ]:
        return missing
    return [
        *map(str, recordings.check(config.prompts)),
        *_plan_faults(config),
        *_certificate_faults(config),
        *_password_faults(config),
        *_place_faults(config),
    ]


def load_plans(config: Config, prompts: Prompts) -> dict[str, Dialplan]:
    """The dialplans that the lines name, by name, checked against the prompts there are.

    Raises `StartError` with every fault.
    """
    plans: dict[str, Dialplan] = {}
    faults: list[str] = []
    for name in sorted({line.dialplan for line in config.lines}):
        file = config.dialplans / f"{name}.yaml"
        try:
            plan, found = parse(file)
        except OSError as error:
            known = ", ".join(sorted(each.stem for each in config.dialplans.glob("*.yaml")))
            what = f"{name}: {file}: {why(error)}; those there are: {known or 'none'}"
            index = [line.dialplan for line in config.lines].index(name)
            faults.append(config.fault(("lines", index, "dialplan"), what))
            continue
        faults.extend(str(fault) for fault in found)
        if plan is not None:
            faults.extend(str(fault) for fault in check(plan, prompts))
            plans[name] = plan
    for index, line in enumerate(config.lines):
        faults.extend(
            config.fault(
                ("lines", index, "notice"),
                f"there is no prompt {prompt} in {line.language}; "
                f"{suggestion(prompt, prompts[line.language])} Otherwise write its text in "
                f"prompts/{line.language}/catalogue.yaml",
            )
            for prompt in line.notice
            if prompt not in prompts[line.language]
        )
    if faults:
        raise StartError("\n".join(faults))
    return plans


def load_certificates(config: Config) -> "Certificates | None":
    """What TLS shows and trusts, None where TLS is not spoken. Raises `StartError`."""
    tls = config.sip.tls
    if "tls" not in config.sip.transports or tls.certificate is None or tls.key is None:
        return None
    # Imported here alone: a start without TLS does not wait for X.509.
    from ivr.certificates import CertificateError, CertificateFiles, Certificates

    try:
        return Certificates(CertificateFiles(tls.certificate, tls.key, tls.client_ca), utc_now)
    except CertificateError as error:
        raise StartError(config.fault(("sip", "tls", error.key), error.what)) from error


def why(error: OSError) -> str:
    """A system's own words for a fault, on one line."""
    return error.strerror or type(error).__name__


def _plan_faults(config: Config) -> list[str]:
    """Every fault of the dialplans, judged against the catalogues."""
    try:
        load_plans(config, {lang: frozenset(catalogue(config.prompts, lang)) for lang in LANGUAGES})
    except StartError as error:
        return str(error).splitlines()
    except PromptError:
        return []  # told as a fault of the catalogue
    return []


def _certificate_faults(config: Config) -> list[str]:
    """One line at most."""
    try:
        load_certificates(config)
    except StartError as error:
        return [str(error)]
    return []


def _password_faults(config: Config) -> Iterator[str]:
    for index, trunk in enumerate(config.sip.trunks):
        for user in (*trunk.users, *filter(None, [trunk.register_])):
            try:
                user.password()
            except PasswordFault as error:
                yield config.fault(("sip", "trunks", index), str(error))


def _place_faults(config: Config) -> Iterator[str]:
    """What is written at run time has its place."""
    if config.records.is_dir():
        what = f"{config.records} is a folder; name a file, such as {config.records}/records.jsonl"
        yield config.fault(("records",), what)
    if config.delivery.folder.exists() and not config.delivery.folder.is_dir():
        what = f"{config.delivery.folder} is no folder; name one, or none and it is made"
        yield config.fault(("delivery", "folder"), what)


def _restart_needed(config: Config, in_force: Config) -> Iterator[str]:
    for path in RESTART_ONLY:
        before, after = _value(in_force, path), _value(config, path)
        if before != after:
            shown = f" ({before})" if isinstance(before, str | int | float | Path) else ""
            what = f"takes a restart; put back what is in force{shown}, or restart"
            yield config.fault(path, what)
    if ("inband" in config.media.dtmf) != ("inband" in in_force.media.dtmf):
        what = "inband comes and goes with a restart only; put it back as it was, or restart"
        yield config.fault(("media", "dtmf"), what)


def _value(config: Config, path: KeyPath) -> object:
    value: object = config
    for key in path:
        value = getattr(value, str(key))
    return value


def _version(
    file: Path, plans: Mapping[str, Dialplan], recorded: Mapping[tuple[str, str], Samples]
) -> str:
    digest = hashlib.blake2b(file.read_bytes(), digest_size=4)
    for name, plan in sorted(plans.items()):
        digest.update(f"\n{name}\n".encode() + plan.source.file.read_bytes())
    for (language, prompt), samples in recorded.items():
        digest.update(f"\n{language}/{prompt}\n".encode() + samples.tobytes())
    return digest.hexdigest()
