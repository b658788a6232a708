#!/usr/bin/env bash
# FastAPI: an example with a null comes out without that key, and no longer fits the schema that it stands in.
#
# Version: fastapi 0.165.0, pydantic 2.14.0, jsonschema 4.26.0.
# Behaviour: a field that must be there and may be null ("label": null while nothing is known) is required in the
#   schema of an answer. The example that its author wrote for it is right by pydantic's own schema; in /openapi.json
#   the key is gone, as the whole document is encoded with exclude_none, data of users included. So the document's
#   example breaks the document's schema, and mocks and tests that are made from examples lack the key. An example
#   that is a list keeps its nulls. Putting examples in after `FastAPI.openapi()` mends it.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   by pydantic: {'history': [None, 'cat'], 'label': None}, fits its schema: True
#   in /openapi.json: {'history': [None, 'cat']}, fits its schema: False ('label' is a required property)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastapi==0.165.0 pydantic==2.14.0 jsonschema==4.26.0
"$folder/venv/bin/python" -I - <<'EOF'
import jsonschema
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"label": None, "history": [None, "cat"]}]})
    label: str | None
    history: list[str | None]


def judged(schema):
    (example,) = schema["examples"]
    errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(example)]
    return example, errors


app = FastAPI()


@app.get("/answer")
def answer() -> Answer:
    return Answer(label=None, history=[])


own, own_errors = judged(Answer.model_json_schema())
shown, errors = judged(app.openapi()["components"]["schemas"]["Answer"])
print(f"by pydantic: {own}, fits its schema: {not own_errors}")
print(f"in /openapi.json: {shown}, fits its schema: {not errors} ({', '.join(errors)})")
as_found = not own_errors and shown == {"history": [None, "cat"]} and errors == ["'label' is a required property"]

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
