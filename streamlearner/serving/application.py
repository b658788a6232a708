"""Which path is answered by which class, and which role it needs."""

from __future__ import annotations

from streamlearner import answer_models as models
from streamlearner.decoding.rows import MEDIA
from streamlearner.serving.access import Access
from streamlearner.serving.accounting import Accounting
from streamlearner.serving.admin import Admin
from streamlearner.serving.bodies import (
    ExamplesBody,
    LabelBody,
    NoBody,
    PredictBody,
    RetrainBody,
    RollbackBody,
    TransplantBody,
)
from streamlearner.serving.body_schemas import RAW_INPUT, ROWS, StreamSchemas
from streamlearner.serving.dashboard.page import Page
from streamlearner.serving.erasing import Erasing
from streamlearner.serving.exam import ExamView
from streamlearner.serving.examples import Examples
from streamlearner.serving.label_studio import LabelStudio
from streamlearner.serving.label_studio_events import Event
from streamlearner.serving.labels import Labels
from streamlearner.serving.open_inference.bodies import HEADER_PARAMETER, IndexBody, InferBody
from streamlearner.serving.open_inference.rest import OpenInference
from streamlearner.serving.openapi import Application, Description
from streamlearner.serving.parts import Parts
from streamlearner.serving.predictions import BESIDE_IMAGES, IMAGES, RAW, Predictions
from streamlearner.serving.problems import HANDLERS
from streamlearner.serving.question_page import QuestionPage
from streamlearner.serving.questions import QuestionQueue
from streamlearner.serving.recollections import Recollections
from streamlearner.serving.rejects import Rejects
from streamlearner.serving.routes import OPEN, Routes, check_declared
from streamlearner.serving.status import Status
from streamlearner.serving.tokens import Role


def assemble(parts: Parts, *, access: Access, bound: str) -> Application:
    """The application, as it answers on the address `bound`."""
    app = Application(
        stream=StreamSchemas(codec=parts.codec, max_batch=parts.limits.max_batch),
        title="streamlearner",
        version=parts.version,
        handlers=HANDLERS,
    )
    access.put_before(app, bound=bound)
    app.add_middleware(Accounting, metrics=parts.metrics)  # the last is the first to see a request
    routes = Routes(app, guard=parts.guard)
    for add in (
        _add_predictions, _add_teaching, _add_questions, _add_admin, _add_erasing, _add_status, _add_seen,
        _add_health, _add_open_inference,
    ):  # fmt: skip
        add(routes, parts)
    _add_pages(routes, Page(), Description(app))
    check_declared(app)
    return app


def _add_predictions(routes: Routes, parts: Parts) -> None:
    predictions = Predictions(
        answers=parts.answers, codec=parts.codec, bodies=parts.bodies, workers=parts.pools.predictions,
        max_batch=parts.limits.max_batch,
    )  # fmt: skip
    images = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in IMAGES}
    raw = {RAW: {"schema": dict(RAW_INPUT)}}
    routes.post(
        "/v1/predict", predictions.predict, PredictBody, role=Role.PREDICT, answer=models.Predictions,
        status=200, more=images | raw, parameters=BESIDE_IMAGES, errors=(503,),
    )  # fmt: skip


def _add_teaching(routes: Routes, parts: Parts) -> None:
    examples = Examples(
        daemon=parts.daemon, codec=parts.codec, bodies=parts.bodies, workers=parts.pools.examples,
        metrics=parts.metrics, max_batch=parts.limits.max_batch,
    )  # fmt: skip
    labels = Labels(joining=parts.joining, bodies=parts.bodies, workers=parts.pools.examples)
    rows = {MEDIA[0]: {"schema": dict(ROWS)}}
    routes.post(
        "/v1/examples", examples.push, ExamplesBody, role=Role.TEACH, answer=models.Accepted,
        more=rows, errors=(409, 503),
    )  # fmt: skip
    routes.post(
        "/v1/labels", labels.label, LabelBody, role=Role.TEACH, answer=models.Labelled, also=200,
        errors=(404, 409, 410, 503),
    )  # fmt: skip


def _add_erasing(routes: Routes, parts: Parts) -> None:
    erasing = Erasing(
        daemon=parts.daemon, codec=parts.codec, bodies=parts.bodies, workers=parts.pools.erasures,
        joining=parts.joining, timeout_s=parts.limits.requests_timeout_s,
    )  # fmt: skip
    for path, erase in (("/v1/examples/{id:path}", erasing.by_id), ("/v1/examples", erasing.by_kind)):
        routes.add(
            "DELETE", path, erase, role=Role.OPERATE, answer=models.Erased, also=202, errors=(400, 409, 503)
        )


def _add_pages(routes: Routes, page: Page, description: Description) -> None:
    routes.get("/", page.show, role=OPEN, answer="text/html")
    routes.get("/dashboard/{file}", page.file, role=OPEN, in_schema=False)
    routes.get("/openapi.json", description.show, role=OPEN, in_schema=False)


def _add_admin(routes: Routes, parts: Parts) -> None:
    timeout_s = parts.limits.requests_timeout_s
    admin = Admin(
        daemon=parts.daemon, bodies=parts.bodies, workers=parts.pools.transplants, timeout_s=timeout_s
    )
    routes.post("/v1/sleep", admin.sleep, NoBody, role=Role.OPERATE, answer=models.Requested)
    routes.post("/v1/checkpoint", admin.checkpoint, NoBody, role=Role.OPERATE, answer=models.Requested)
    role, answer = Role.OPERATE, models.Requested
    routes.post("/v1/rollback", admin.rollback, RollbackBody, role=role, answer=answer, errors=(404,))
    for path, begin, body in (
        ("/v1/retrain", admin.retrain, RetrainBody),
        ("/v1/transplant", admin.transplant, TransplantBody),
    ):
        routes.post(path, begin, body, role=role, answer=answer, errors=(409, 503))


def _add_questions(routes: Routes, parts: Parts) -> None:
    """Who labels sees what others sent."""
    queue = QuestionQueue(asking=parts.asking, workers=parts.pools.questions)
    label_studio = LabelStudio(joining=parts.joining, bodies=parts.bodies, workers=parts.pools.examples)
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


def _add_status(routes: Routes, parts: Parts) -> None:
    status, timeout_s = Status(daemon=parts.daemon), parts.limits.requests_timeout_s
    recollections = Recollections(daemon=parts.daemon, workers=parts.pools.recollections, timeout_s=timeout_s)
    routes.get("/v1/status", status.status, role=Role.READ, answer=models.StatusDocument)
    routes.get("/v1/retention", status.retention, role=Role.READ, answer=models.RetentionDocument)
    routes.get("/v1/memory", status.memory, role=Role.READ, answer=models.MemoryDocument)
    shown = (models.RecollectionsDocument, "image/png")
    errors = (400, 404, 409, 503)
    routes.get("/v1/recollections", recollections.show, role=Role.READ, answer=shown, errors=errors)


def _add_seen(routes: Routes, parts: Parts) -> None:
    """What the dashboard shows beside the present figures."""
    remembered, rejects = parts.remembered, Rejects(daemon=parts.daemon)
    exam = ExamView(
        daemon=parts.daemon, answers=parts.answers, workers=parts.pools.recollections,
        timeout_s=parts.limits.requests_timeout_s,
    )  # fmt: skip
    for path, endpoint, answer, errors in (
        ("/v1/history", remembered.curves, models.HistoryDocument, (400, 409, 503)),
        ("/v1/versions", remembered.versions, models.VersionsDocument, (503,)),
        ("/v1/exam", exam.examples, models.ExamDocument, (400, 404, 503)),
        ("/v1/confusion", exam.confusion, models.ConfusionDocument, (404, 503)),
        ("/v1/rejects", rejects.show, models.RejectsDocument, ()),
    ):
        routes.get(path, endpoint, role=Role.READ, answer=answer, errors=errors)


def _add_health(routes: Routes, parts: Parts) -> None:
    """Who asks for health cannot hold a token; the series tell which classes there are and how well each is
    known."""
    health = parts.health
    routes.get("/livez", health.live, role=OPEN, answer=models.Live)
    routes.get("/readyz", health.ready, role=OPEN, answer=models.Ready, errors=(400, 503))
    routes.get("/metrics", health.metrics, role=Role.READ, answer="text/plain")


def _add_open_inference(routes: Routes, parts: Parts) -> None:
    """Health is open, that of the model included: it says nothing more. Metadata name the classes."""
    protocol = OpenInference(
        model=parts.model, health=parts.health, bodies=parts.bodies, workers=parts.pools.predictions,
        version=parts.version,
    )  # fmt: skip
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
            parameters=[HEADER_PARAMETER],
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
