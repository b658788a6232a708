"""GET /openapi.json: what clients are generated from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from streamlearner.decoding.codec import Codec, Schema
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import InProcess, tiny_predictor

Document = dict[str, Any]


def described(client: InProcess) -> Document:
    found: Document = client.get("/openapi.json").json()
    return found


def resolved(document: Document, reference: str) -> Document:
    """What a reference leads to."""
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def schema_at(document: Document, part: Document) -> Document:
    """A schema, or the one that it refers to."""
    return resolved(document, part["$ref"]) if "$ref" in part else part


def operations(document: Document) -> list[tuple[str, Document]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_success_and_every_error_has_a_schema(client: InProcess) -> None:
    document = described(client)
    for name, operation in operations(document):
        assert operation["responses"].keys() & {"200", "202"}, name
        for answer in operation["responses"].values():
            answer = schema_at(document, answer)
            assert answer["content"], name
            for content in answer["content"].values():
                assert content["schema"], name


def schemas_in(part: Any) -> Iterator[Document]:
    """Every object of the description but examples, as schemas are among them."""
    if isinstance(part, dict):
        yield part
        part = [value for key, value in part.items() if key not in ("example", "examples")]
    for each in part if isinstance(part, list) else []:
        yield from schemas_in(each)


@pytest.mark.parametrize("shape", [None, (1, 4, 4), (6,)])
def test_every_list_says_what_it_is_of_as_generators_of_clients_need(
    make_serving: MakeServing, shape: tuple[int, ...] | None
) -> None:
    schema = None if shape is None else Schema(shape, "uint8" if len(shape) == 3 else "float32")
    document = described(InProcess(make_serving(codec=Codec(schema=schema))))
    lists = [each for each in schemas_in(document) if each.get("type") == "array"]
    assert len(lists) > 10
    assert [each for each in lists if not {"items", "prefixItems"} & each.keys()] == []


def test_what_stands_beside_an_image_is_a_parameter_of_the_query(client: InProcess) -> None:
    named = {one["name"]: one for one in described(client)["paths"]["/v1/predict"]["post"]["parameters"]}
    assert {name: one["in"] for name, one in named.items()} == {"task": "query", "return": "query"}
    body = {"inputs": [[[1] * 4] * 4]}
    asked = client.post("/v1/predict?return=probabilities", json=body).json()["predictions"][0]
    assert "probabilities" in asked
    for query in ("return=x", "task=", "taks=a"):
        assert client.post(f"/v1/predict?{query}", json=body).status_code == 400


def test_the_header_of_the_binary_extension_is_a_parameter(client: InProcess) -> None:
    for name, operation in operations(described(client)):
        headers = [one["name"] for one in operation.get("parameters", []) if one["in"] == "header"]
        assert headers == (["Inference-Header-Content-Length"] if name.endswith("/infer") else []), name


def test_answers_are_components_and_every_reference_leads_somewhere(client: InProcess) -> None:
    document = described(client)
    named = document["components"]["schemas"]
    assert {
        "ProblemDocument",
        "Predictions",
        "StatusDocument",
        "RetentionDocument",
        "MemoryDocument",
    } <= named.keys()

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for each in part for found in references(each)] if isinstance(part, list) else []

    found = references(document)
    assert len(found) > 40
    assert all(resolved(document, name) for name in found)


def test_an_operation_says_which_token_it_needs_and_only_where_there_are_tokens(
    client: InProcess, make_serving: MakeServing
) -> None:
    assert not [name for name, operation in operations(described(client)) if "security" in operation]
    closed = described(InProcess(make_serving(token="secret")))
    assert closed["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for name, operation in operations(closed):
        role = operation["x-role"]
        assert operation.get("security") == (None if role == "open" else [{"token": [role]}]), name


def input_of(document: Document) -> list[Document]:
    body = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    inputs = schema_at(document, body["application/json"]["schema"])["properties"]["inputs"]
    found: list[Document] = schema_at(document, inputs["items"])["anyOf"]
    return [schema_at(document, each) for each in found]


def test_inputs_are_described_as_the_stream_has_them_once_it_has_begun(make_serving: MakeServing) -> None:
    codec = Codec()
    client = InProcess(make_serving(codec=codec))
    assert input_of(described(client))[0] == {"type": "array", "minItems": 1, "items": {}}
    codec.schema = Schema((1, 2, 3), "uint8")
    rows, shares, raw, picture = input_of(described(client))
    assert (rows["minItems"], rows["maxItems"], rows["items"]["maxItems"]) == (2, 2, 3)
    assert shares["items"]["items"] == {"type": "number", "minimum": 0, "maximum": 1}
    shapes = raw["properties"]["shape"]["anyOf"]
    assert [[side["const"] for side in each["prefixItems"]] for each in shapes] == [[2, 3], [2, 3, 1]]
    assert [(each["minItems"], each["maxItems"]) for each in shapes] == [(2, 2), (3, 3)]
    assert raw["properties"]["b64"]["pattern"] == "^[A-Za-z0-9+/]{8}$"
    assert picture["required"] == ["image"]


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 2, 2), "uint8"), ((5,), "float32"), ((3, 224, 224), "uint8")]
)
def test_inputs_of_any_kind_are_described(
    make_serving: MakeServing, shape: tuple[int, ...], dtype: str
) -> None:
    forms = input_of(described(InProcess(make_serving(codec=Codec(schema=Schema(shape, dtype))))))
    assert forms[0]["maxItems"] == (shape[0] if len(shape) == 1 else shape[1])
    assert len(str(forms)) < 10_000


def test_how_many_a_request_may_hold_is_said(make_serving: MakeServing) -> None:
    document = described(InProcess(make_serving(max_batch=7)))
    for path, key in (("/v1/predict", "inputs"), ("/v1/examples", "examples")):
        body = document["paths"][path]["post"]["requestBody"]
        found = schema_at(document, body["content"]["application/json"]["schema"])["properties"][key]
        assert (found["minItems"], found["maxItems"], body["required"]) == (1, 7, True)


def test_numbers_without_a_fraction_are_integers_however_they_are_written(
    client: InProcess, make_serving: MakeServing
) -> None:
    named = {"input": [[1] * 4] * 4, "label": 3.0, "task": 2.0, "id": 7.0}
    assert client.post("/v1/examples", json={"examples": [named]}).status_code == 202
    assert (
        client.post("/v1/examples", json={"examples": [named | {"label": 3.5, "id": 8}]}).status_code == 400
    )
    assert client.post("/v1/predict", json={"inputs": [[[1] * 4] * 4], "task": 3.0}).status_code == 200
    assert client.post("/v1/transplant", json={"to": "mlp", "steps": 50.0}).json()["steps"] == 50


def test_raw_bytes_are_of_the_streams_shape_where_no_header_says_another(client: InProcess) -> None:
    headers = {"content-type": "application/octet-stream"}
    assert client.post("/v1/predict", content=bytes(16), headers=headers).status_code == 200
    assert client.post("/v1/predict", content=bytes(15), headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(None, ""), ((1, 2, 3), "uint8"), ((3, 32, 32), "uint8"), ((5,), "float32"), ((100,), "float32")],
)
def test_every_example_is_what_its_schema_says(
    make_serving: MakeServing, shape: tuple[int, ...] | None, dtype: str
) -> None:
    codec = Codec() if shape is None else Codec(schema=Schema(shape, dtype))
    document = described(InProcess(make_serving(codec=codec)))
    shown = {
        name: each["examples"]
        for name, each in document["components"]["schemas"].items()
        if "examples" in each
    }
    for name, examples in shown.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        for example in examples:
            jsonschema.Draft202012Validator(whole).validate(example)
    for name, operation in operations(document):
        contents = (
            [operation["requestBody"], *operation["responses"].values()] if "requestBody" in operation else []
        )
        for content in contents:
            schema = content.get("content", {}).get("application/json", {}).get("schema", {})
            named = schema.get("$ref", "").rpartition("/")[2]
            assert not named or named in shown or named == "NoBody", (name, named)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 4, 4), "uint8"), ((3, 32, 32), "uint8"), ((100,), "float32")]
)
def test_the_example_of_an_input_is_taken(
    make_serving: MakeServing, shape: tuple[int, ...], dtype: str
) -> None:
    serving = make_serving(codec=Codec(schema=Schema(shape, dtype)))
    serving.refresh(tiny_predictor(input_shape=shape, adopted=1, examples=1))
    client = InProcess(serving)
    schemas = described(client)["components"]["schemas"]
    for path, name in (("/v1/predict", "PredictBody"), ("/v1/examples", "ExamplesBody")):
        answer = client.post(path, json=schemas[name]["examples"][0])
        assert answer.status_code in (200, 202), answer.text


def test_each_operation_has_a_short_name_of_its_own(client: InProcess) -> None:
    names = [operation["operationId"] for _, operation in operations(described(client))]
    assert len(set(names)) == len(names)
    some = {"post_predict", "post_examples", "delete_examples_id", "get_status", "get_page", "get_v2"}
    assert some <= set(names)
    assert all(name.isidentifier() for name in names)
