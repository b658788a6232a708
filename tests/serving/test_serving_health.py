from __future__ import annotations

import pytest

from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.problems import problem
from tests.support.serving_fakes import FakeDaemon, InProcess


def test_live_as_soon_as_it_answers(make_serving: MakeServing, daemon: FakeDaemon) -> None:
    daemon.connected = daemon.learning = False
    assert InProcess(make_serving()).get("/livez").status_code == 200


def test_ready_with_a_model_a_source_and_a_running_loop(client: InProcess) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": {}}


def test_not_ready_gives_every_reason(make_serving: MakeServing, daemon: FakeDaemon) -> None:
    daemon.connected = daemon.learning = False
    answer = InProcess(make_serving()).get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["reasons"]) == {"model", "source", "learning"}
    assert answer.json()["error"].startswith("not ready: no model answers yet")


def test_a_lost_broker_can_be_left_out_of_readiness(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.connected = False
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz?exclude=source").status_code == 200
    daemon.learning = False
    assert client.get("/readyz?exclude=source").status_code == 503
    assert client.get("/readyz?exclude=source&exclude=learning").status_code == 200


def test_an_unknown_exclusion_is_named(client: InProcess) -> None:
    answer = client.get("/readyz?exclude=sorce")
    assert answer.status_code == 400
    assert 'did you mean "source"?' in answer.json()["error"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/metrics", "/v1/status"])
def test_a_head_request_is_answered_like_a_get(client: InProcess, path: str) -> None:
    answer = client.head(path)
    assert answer.status_code == 200
    assert answer.content == b""


def test_metrics_are_prometheus_text(client: InProcess) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE streamlearner_examples_total counter" in answer.text


def test_answers_are_counted_by_route_and_never_by_what_clients_write(
    client: InProcess, metrics: Metrics
) -> None:
    for path in ("/v1/status", "/v1/nothing", "/v1/nothing/else", "/v1/predict"):
        client.get(path)

    def count(path: str, code: str) -> float | None:
        labels = {"path": path, "code": code}
        return metrics.registry.get_sample_value("streamlearner_http_requests_total", labels)

    assert count("/v1/status", "200") == 1
    assert count("other", "404") == 2
    assert count("/v1/predict", "405") == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/predct", 404, 'did you mean "/v1/predict"?'),
        ("GET", "/v1/predict", 405, "takes POST"),
        ("PUT", "/v1/status", 405, "takes GET, HEAD"),
        ("PUT", "/v1/examples", 405, "takes DELETE, POST"),
        ("POST", "/v1/predict/", 404, "no such path"),
    ],
)
def test_a_wrong_path_or_method_is_explained(
    client: InProcess, method: str, path: str, status: int, text: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert text in answer.json()["error"]


def test_a_crash_is_a_500_in_the_common_form_and_tells_no_details(
    client: InProcess, daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.figures = {"not json": object()}
    answer = client.get("/v1/status")
    assert problem(answer) == (500, "crash", "internal error; the daemon's log has the details")
    assert "not JSON serializable" in caplog.text
    assert f"GET /v1/status failed ({answer.json()['instance']})" in caplog.text


def test_a_crash_of_a_path_with_parameters_is_told_and_logged_once(
    client: InProcess, daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.withheld = None  # type: ignore[assignment]
    answer = client.get("/v1/exam?most=3")
    assert problem(answer) == (500, "crash", "internal error; the daemon's log has the details")
    failed = [record.getMessage() for record in caplog.records if " failed (" in record.getMessage()]
    assert failed == [f"GET /v1/exam failed ({answer.json()['instance']})"]


def test_the_description_lists_every_path_and_its_body(client: InProcess) -> None:
    document = client.get("/openapi.json").json()
    described, schemas = document["paths"], document["components"]["schemas"]
    expected = {
        "/v1/predict", "/v1/labels", "/v1/examples", "/v1/examples/{id}", "/v1/status", "/v1/retention",
        "/v1/memory", "/v1/recollections", "/v1/questions", "/v1/label-studio", "/questions",
        "/v1/history", "/v1/versions", "/v1/exam", "/v1/confusion", "/v1/rejects",
        "/v1/sleep", "/v1/checkpoint", "/v1/rollback", "/v1/transplant", "/v1/retrain",
        "/livez", "/readyz", "/metrics", "/",
        "/v2", "/v2/health/live", "/v2/health/ready", "/v2/repository/index",
    }  # fmt: skip
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        expected |= {model, f"{model}/ready", f"{model}/infer"}
    assert set(described) == expected
    infer = described["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert infer["schema"] == {"$ref": "#/components/schemas/InferBody"}
    assert schemas["InferBody"]["properties"]["inputs"]["items"] == {
        "$ref": "#/components/schemas/InputTensor"
    }
    assert "datatype" in schemas["InputTensor"]["properties"]
    body = described["/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/PredictBody"}
    assert set(schemas["PredictBody"]["properties"]) == {"inputs", "task", "return"}
    assert all(
        "422" not in operation["responses"] for path in described.values() for operation in path.values()
    )
