"""The configured intake, and what it keeps beside the checkpoints."""

from __future__ import annotations

from contextlib import ExitStack, closing

from streamlearner.app.machine import Machine
from streamlearner.config.loading import Config
from streamlearner.daemon.batch_growth import BatchGrowth, steps_between
from streamlearner.daemon.intake import Intake
from streamlearner.daemon.intake_contracts import RejectWriter
from streamlearner.daemon.learning_failures import LearningFailures
from streamlearner.daemon.look_ahead import LookAhead
from streamlearner.daemon.name_ceiling import Most
from streamlearner.decoding.codec import Codec
from streamlearner.eyes.eye import Eye
from streamlearner.state.batch_ends import BatchEnds
from streamlearner.state.batch_paces import BatchPaces
from streamlearner.state.learning_mark import FATAL_SIGNAL, FailureRecord, LearningMark
from streamlearner.stream import Source


def make_failures(config: Config, *, resources: ExitStack, machine: Machine) -> LearningFailures:
    """`resources` close what is opened here."""
    folder, disk = config.state_dir, machine.disk
    return LearningFailures(
        record=FailureRecord(folder / "failures.json", disk=disk),
        mark=resources.enter_context(closing(LearningMark(folder / "learning", disk=disk))),
        fatal=folder / FATAL_SIGNAL,
        sets_aside=config.daemon.on_learning_failure == "dead_letter",
    )


def most_names(config: Config) -> Most:
    """What a stream may open."""
    section = config.limits
    return Most(section.max_classes, section.max_tasks, uses_tasks=config.codec.tasks == "use")


def make_intake(
    config: Config,
    *,
    source: Source,
    codec: Codec,
    dead_letters: RejectWriter,
    failures: LearningFailures,
    eye: Eye | None,
    resources: ExitStack,
    machine: Machine,
) -> Intake:
    """`resources` close what is opened here. The `eye` sees what waits before its turn."""
    ends = BatchEnds(config.state_dir / "batch_ends", disk=machine.disk)
    return Intake(
        source=source,
        codec=codec,
        dead_letters=dead_letters,
        failures=failures,
        ends=resources.enter_context(closing(ends)),
        batch_size=batch_sizes(config)[0],
        linger_s=config.daemon.linger_s,
        remembered_ids=config.codec.remembered_ids,
        erased_ids=config.codec.erased_ids,
        most=most_names(config),
        clock=machine.clock,
        growth=_growth(config, resources=resources, machine=machine),
        look_ahead=LookAhead(eye.ahead) if eye and eye.ahead else None,
    )


def batch_sizes(config: Config) -> tuple[int, int]:
    """Messages of the smallest batch, and of the largest one."""
    section = config.daemon
    if section.batch_size == "auto":
        return section.smallest_batch, section.largest_batch
    return section.batch_size, section.batch_size


def _growth(config: Config, *, resources: ExitStack, machine: Machine) -> BatchGrowth | None:
    """None where all batches are of one size, and all examples are learned alike."""
    paces = steps_between(*batch_sizes(config), thins=config.daemon.when_behind == "thin")
    if len(paces) == 1:
        return None
    noted = BatchPaces(config.state_dir / "batch_paces", disk=machine.disk)
    return BatchGrowth(paces, noted=resources.enter_context(closing(noted)))
