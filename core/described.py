"""Fields that say what they mean: the sentence below a field is its description in a JSON schema.

Pydantic can do this (`use_attribute_docstrings`), and reads the source of every model while it is imported, a quarter of a
second of every start; here it is read when somebody asks for a schema.
"""

import ast
import sys
from functools import cache
from inspect import cleandoc, getsource
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core.core_schema import CoreSchema


class Described(BaseModel):
    """The base of models whose fields are described by the sentences below them."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema with a description for each field that has a sentence below it."""
        schema = handler(core)
        fields = handler.resolve_ref_schema(schema).get("properties", {})
        for model in cls.__mro__:
            said = _sentences(model.__module__).get(model.__name__.partition("[")[0], {})
            for name in said.keys() & cls.model_fields.keys():
                field = fields.get(name, fields.get(cls.model_fields[name].alias))
                if field is not None:
                    field.setdefault("description", said[name])
        return schema


@cache
def _sentences(module: str) -> dict[str, dict[str, str]]:
    """Class → field → the sentence below it."""
    if module == "builtins":
        return {}
    tree = ast.parse(getsource(sys.modules[module]))
    return {each.name: _below(each) for each in ast.walk(tree) if isinstance(each, ast.ClassDef)}


def _below(model: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: cleandoc(said.value.value)
        for field, said in zip(model.body, model.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
        and isinstance(said.value.value, str)
    }
