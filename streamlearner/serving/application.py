"""Which path is answered by which class, and which role it needs."""

from __future__ import annotations

from fastapi import FastAPI

from streamlearner import answer_models as models
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.rows import MEDIA
from streamlearner.serving.access import Access
from streamlearner.serving.accounting import Accounting
from streamlearner.serving.admin import Admin
from streamlearner.serving.answers import Answers
from streamlearner.serving.asking import Asking
from streamlearner.serving.bodies import (
    Bodies,
    ExamplesBody,
    LabelBody,
    NoBody,
    PredictBody,
    RetrainBody,
    RollbackBody,
    TransplantBody,
)
from streamlearner.serving.body_schemas import RAW_INPUT, ROWS, StreamSchemas
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.dashboard.page import Page
from streamlearner.serving.erasing import Erasing
from streamlearner.serving.exam import ExamView
from streamlearner.serving.examples import Examples
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.history.route import Remembered
from streamlearner.serving.label_studio import LabelStudio
from streamlearner.serving.label_studio_events import Event
from streamlearner.serving.labels import Joining, Labels
from streamlearner.serving.open_inference.bodies import IndexBody, InferBody
from streamlearner.serving.open_inference.model import ServedByProtocol
from streamlearner.serving.open_inference.rest import OpenInference
from streamlearner.serving.openapi import Application, Description
from streamlearner.serving.predictions import IMAGES, RAW, Predictions
from streamlearner.serving.problems import HANDLERS
from streamlearner.serving.question_page import QuestionPage
from streamlearner.serving.questions import QuestionQueue
from streamlearner.serving.recollections import Recollections
from streamlearner.serving.rejects import Rejects
from streamlearner.serving.routes import OPEN, Routes, check_declared
from streamlearner.serving.status import Status
from streamlearner.serving.tokens import Role
from streamlearner.serving.workers import Pools
from streamlearner.telemetry.metrics import Metrics


def assemble(
    *,
    answers: Answers,
    health: Health,
    model: ServedByProtocol,
    joining: Joining | None,
    asking: Asking | None,
    daemon: DaemonPort,
    remembered: Remembered,
    metrics: Metrics,
    codec: Codec,
    bodies: Bodies,
    access: Access,
    guard: Guard,
    bound: str,
    pools: Pools,
    max_batch: int,
    requests_timeout_s: float,
    version: str,
) -> FastAPI:
    """The application, as it answers on the address `bound`."""
    app = Application(
        stream=StreamSchemas(codec=codec, max_batch=max_batch),
        title="streamlearner",
        version=version,
        handlers=HANDLERS,
    )
    access.put_before(app, bound=bound)
    app.add_middleware(Accounting, metrics=metrics)  # the last is the first to see a request
    routes, timeout_s = Routes(app, guard=guard), requests_timeout_s
    _add_predictions(
        routes,
        Predictions(
            answers=answers, codec=codec, bodies=bodies, workers=pools.predictions, max_batch=max_batch
        ),
    )
    examples = Examples(
        daemon=daemon, codec=codec, bodies=bodies, workers=pools.examples, metrics=metrics,
        max_batch=max_batch,
    )  # fmt: skip
    _add_teaching(routes, examples, Labels(joining=joining, bodies=bodies, workers=pools.examples))
    _add_questions(
        routes,
        QuestionQueue(asking=asking, workers=pools.questions),
        LabelStudio(joining=joining, bodies=bodies, workers=pools.examples),
    )
    _add_admin(routes, Admin(daemon=daemon, bodies=bodies, workers=pools.transplants, timeout_s=timeout_s))
    erasing = Erasing(
        daemon=daemon, codec=codec, bodies=bodies, workers=pools.erasures, joining=joining,
        timeout_s=timeout_s,
    )  # fmt: skip
    _add_erasing(routes, erasing)
    recollections = Recollections(daemon=daemon, workers=pools.recollections, timeout_s=timeout_s)
    _add_status(routes, Status(daemon=daemon), recollections)
    exam = ExamView(daemon=daemon, answers=answers, workers=pools.recollections, timeout_s=timeout_s)
    _add_seen(routes, remembered, exam, Rejects(daemon=daemon))
    _add_health(routes, health)
    _add_open_inference(
        routes,
        OpenInference(model=model, health=health, bodies=bodies, workers=pools.predictions, version=version),
    )
    _add_pages(routes, Page(), Description(app))
    check_declared(app)
    return app


def _add_predictions(routes: Routes, predictions: Predictions) -> None:
    images = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGES}
    raw = {RAW: {"schema": dict(RAW_INPUT)}}
    routes.post(
        "/v1/predict", predictions.predict, PredictBody, role=Role.PREDICT, answer=models.Predictions,
        status=200, more=images | raw, errors=(503,),
    )  # fmt: skip


def _add_teaching(routes: Routes, examples: Examples, labels: Labels) -> None:
    rows = {MEDIA[0]: {"schema": dict(ROWS)}}
    routes.post(
        "/v1/examples", examples.push, ExamplesBody, role=Role.TEACH, answer=models.Accepted,
        more=rows, errors=(409, 503),
    )  # fmt: skip
    routes.post(
        "/v1/labels", labels.label, LabelBody, role=Role.TEACH, answer=models.Labelled, also=200,
        errors=(404, 409, 410, 503),
    )  # fmt: skip


def _add_erasing(routes: Routes, erasing: Erasing) -> None:
    for path, erase in (("/v1/examples/{id:path}", erasing.by_id), ("/v1/examples", erasing.by_kind)):
        routes.add(
            "DELETE", path, erase, role=Role.OPERATE, answer=models.Erased, also=202, errors=(400, 409, 503)
        )


def _add_pages(routes: Routes, page: Page, description: Description) -> None:
    routes.get("/", page.show, role=OPEN, answer="text/html")
    routes.get("/dashboard/{file}", page.file, role=OPEN, in_schema=False)
    routes.get("/openapi.json", description.show, role=OPEN, in_schema=False)


def _add_admin(routes: Routes, admin: Admin) -> None:
    routes.post("/v1/sleep", admin.sleep, NoBody, role=Role.OPERATE, answer=models.Requested)
    routes.post("/v1/checkpoint", admin.checkpoint, NoBody, role=Role.OPERATE, answer=models.Requested)
    role, answer = Role.OPERATE, models.Requested
    routes.post("/v1/rollback", admin.rollback, RollbackBody, role=role, answer=answer, errors=(404,))
    for path, begin, body in (
        ("/v1/retrain", admin.retrain, RetrainBody),
        ("/v1/transplant", admin.transplant, TransplantBody),
    ):
        routes.post(path, begin, body, role=role, answer=answer, errors=(409, 503))


def _add_questions(routes: Routes, queue: QuestionQueue, label_studio: LabelStudio) -> None:
    """Who labels sees what others sent."""
    shown = models.QuestionsDocument | list[models.LabelStudioTask]
    routes.get("/v1/questions", queue.show, role=Role.TEACH, answer=shown, errors=(400, 409, 503))
    routes.post(
        "/v1/label-studio",
        label_studio.label,
        Event,
        role=Role.TEACH,
        answer=models.Joined,
        also=200,
        errors=(404, 409, 410, 503),
    )
    routes.get("/questions", QuestionPage().show, role=OPEN, answer="text/html")


def _add_status(routes: Routes, status: Status, recollections: Recollections) -> None:
    routes.get("/v1/status", status.status, role=Role.READ, answer=models.StatusDocument)
    routes.get("/v1/retention", status.retention, role=Role.READ, answer=models.RetentionDocument)
    routes.get("/v1/memory", status.memory, role=Role.READ, answer=models.MemoryDocument)
    shown = (models.RecollectionsDocument, "image/png")
    errors = (400, 404, 409, 503)
    routes.get("/v1/recollections", recollections.show, role=Role.READ, answer=shown, errors=errors)


def _add_seen(routes: Routes, remembered: Remembered, exam: ExamView, rejects: Rejects) -> None:
    """What the dashboard shows beside the present figures."""
    for path, endpoint, answer, errors in (
        ("/v1/history", remembered.curves, models.HistoryDocument, (400, 409, 503)),
        ("/v1/versions", remembered.versions, models.VersionsDocument, (503,)),
        ("/v1/exam", exam.examples, models.ExamDocument, (400, 404, 503)),
        ("/v1/confusion", exam.confusion, models.ConfusionDocument, (404, 503)),
        ("/v1/rejects", rejects.show, models.RejectsDocument, ()),
    ):
        routes.get(path, endpoint, role=Role.READ, answer=answer, errors=errors)


def _add_health(routes: Routes, health: Health) -> None:
    """Who asks for health cannot hold a token; the series tell which classes there are and how well each is
    known."""
    routes.get("/livez", health.live, role=OPEN, answer=models.Live)
    routes.get("/readyz", health.ready, role=OPEN, answer=models.Ready, errors=(400, 503))
    routes.get("/metrics", health.metrics, role=Role.READ, answer="text/plain")


def _add_open_inference(routes: Routes, protocol: OpenInference) -> None:
    """Health is open, that of the model included: it says nothing more. Metadata name the classes."""
    model, version = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    raw = {RAW: {"schema": {"type": "string", "format": "binary"}}}
    routes.get("/v2", protocol.server, role=Role.READ, answer=models.ServerMetadata)
    routes.get("/v2/health/live", protocol.live, role=OPEN, answer=models.Live)
    routes.get("/v2/health/ready", protocol.ready, role=OPEN, answer=models.ProtocolReady, errors=(503,))
    of_model = (model, protocol.model, protocol.model_ready, protocol.infer)
    of_version = (version, protocol.model_of_version, protocol.version_ready, protocol.infer_of_version)
    for path, metadata, ready, infer in (of_model, of_version):
        routes.get(path, metadata, role=Role.READ, answer=models.ModelMetadata, errors=(404, 503))
        routes.get(f"{path}/ready", ready, role=OPEN, answer=models.ProtocolReady, errors=(404, 503))
        routes.post(
            f"{path}/infer",
            infer,
            InferBody,
            role=Role.PREDICT,
            answer=(models.Inferred, RAW),
            status=200,
            more=raw,
            errors=(404, 503),
        )
    routes.post(
        "/v2/repository/index",
        protocol.index,
        IndexBody,
        role=Role.READ,
        answer=list[models.IndexEntry],
        status=200,
    )
