"""JSON Schemas of the files that operators write, so that their editors complete and underline.

Made from the models that check the files; what a key means is the docstring under its field. What
no schema can say (targets, prompts, reachability), `ivr check` tells.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ivr.config import Config
from ivr.dialplan.check import MAX_OPTIONS, SERVICES
from ivr.dialplan.nodes import NODE_KINDS, Menu, ServiceGate
from ivr.dialplan.schema import Settings
from ivr.other_channels import section_models

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> Schema:
    """What `config.yaml` may hold."""
    sections = section_models()
    definitions = _definitions([Config, *sections.values()])
    top = definitions.pop("Config")
    for name, model in sections.items():
        top["properties"][name] |= {"$ref": f"#/$defs/{model.__name__}"}
    return _document("Configuration of the voice server", top, definitions)


def dialplan_schema() -> Schema:
    """What a dialplan may hold: the head, and under `nodes` what each kind of node has."""
    definitions = _definitions([Settings, *NODE_KINDS.values()])
    definitions[Menu.__name__]["properties"]["options"]["maxProperties"] = MAX_OPTIONS
    definitions[ServiceGate.__name__]["properties"]["service"]["enum"] = sorted(SERVICES)
    head = definitions.pop("Settings")
    head["properties"]["nodes"] = {
        "type": "object",
        "description": "The nodes of the flow, by name.",
        "minProperties": 1,
        "additionalProperties": _node(definitions),
    }
    head["required"].append("nodes")
    return _document("A dialplan of the voice server", head, definitions)


SCHEMAS = {"config": config_schema, "dialplan": dialplan_schema}


def _node(definitions: Schema) -> Schema:
    """A node has the keys of its kind. By conditions: with alternatives instead, an editor could
    not tell which of them was meant, and would underline all of the node."""
    conditions = []
    for kind, model in NODE_KINDS.items():
        definitions[model.__name__]["properties"]["kind"] = {"const": kind}
        conditions.append(
            {
                "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
        )
    says = "; ".join(f"{kind}: {_first_sentence(model)}" for kind, model in NODE_KINDS.items())
    kinds = {"enum": list(NODE_KINDS), "description": says}
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": kinds},
        "allOf": conditions,
    }


def _first_sentence(model: type[BaseModel]) -> str:
    text = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    return text.partition(".")[0]


def _document(title: str, top: Schema, definitions: Schema) -> Schema:
    return {"$schema": DIALECT, **top, "title": title, "$defs": definitions}


def _definitions(models: Iterable[type[BaseModel]]) -> Schema:
    """The schema of each model and of those within it, by the name of its class."""
    models = list(models)
    _, schema = models_json_schema([(model, "validation") for model in models])
    definitions: Schema = schema["$defs"]
    for model in _within(models):
        definition = definitions.get(model.__name__, {})
        # One with a short form has the long one beside it.
        forms = [definition, *definition.get("anyOf", [])]
        described: Schema = next((form["properties"] for form in forms if "properties" in form), {})
        for name, text in _field_docstrings(model).items():
            key = model.model_fields[name].alias or name
            if key in described:
                described[key]["description"] = text
    _tidy(definitions)
    return definitions


def _within(models: Iterable[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """The models, and those that their fields are made of, each once."""
    seen: set[type[BaseModel]] = set()
    ahead: list[Any] = list(models)
    while ahead:
        each = ahead.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            if each not in seen:
                seen.add(each)
                yield each
                ahead += [field.annotation for field in each.model_fields.values()]
        else:
            ahead += getattr(each, "__args__", ())


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string under each field, by the field's name; those of base classes too."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not issubclass(each, BaseModel) or each.__module__.partition(".")[0] == "pydantic":
            continue
        for statements in ast.parse(textwrap.dedent(inspect.getsource(each))).body:
            for field, below in pairwise(getattr(statements, "body", [])):
                match field, below:
                    case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                        found[name] = " ".join(text.split())
    return {name: text for name, text in found.items() if name in model.model_fields}


def _tidy(schema: Any) -> None:
    """Leave out what an editor would only repeat: titles made of names, defaults that are nothing
    or a whole section."""
    if isinstance(schema, list):
        for each in schema:
            _tidy(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("title"), str):
        del schema["title"]
    if isinstance(schema.get("default"), dict | None):
        schema.pop("default", None)
    if isinstance(schema.get("description"), str):
        schema["description"] = " ".join(schema["description"].split())
    for each in schema.values():
        _tidy(each)
