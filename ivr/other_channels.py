"""The sections of `config.yaml` that other channels read.

Each channel says in the installation's entry points by which model it reads its section. So one
command checks the whole file, and one schema describes it, although no channel knows another.
"""

from importlib.metadata import entry_points
from pathlib import Path

from pydantic import BaseModel

from auth_core.settings import OwnSections, load_sections
from auth_core.yamlfile import YamlFaults

GROUP = "voice_server.config"


def others() -> dict[str, type[OwnSections]]:
    """By the name of the section: the model that reads it."""
    return {each.name: each.load() for each in entry_points(group=GROUP)}


def section_models() -> dict[str, type[BaseModel]]:
    """By the name of the section: the model of what stands in it."""
    found = {name: each.model_fields[name].annotation for name, each in others().items()}
    return {name: each for name, each in found.items() if isinstance(each, type)}


def faults_of_others(file: Path) -> list[str]:
    """What is wrong in `file` for the other channels, one line each. Raises OSError when it cannot
    be read."""
    found: list[str] = []
    for sections in others().values():
        try:
            load_sections(file, sections)
        except YamlFaults as error:
            found += str(error).splitlines()
    return found
