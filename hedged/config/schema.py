"""The configuration as JSON Schema, by which editors complete keys, show what they mean and mark faults."""

from typing import Any

from hedged.config.whole import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a configuration file."""
    return {
        "$schema": DIALECT,
        **Config.model_json_schema(mode="validation"),
        "title": "hedged",
        "description": "Configuration of hedged. Everything has a default; unknown keys are refused.",
    }
