"""The tasks by name, and what a run's settings must be for them to make sense."""

from __future__ import annotations

from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.tasks.classification import MULTICLASS, ONE_VS_REST
from rtl_core.tasks.detection import DETECTION
from rtl_core.tasks.segmentation import SEGMENTATION
from rtl_core.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (MULTICLASS, ONE_VS_REST, SEGMENTATION, DETECTION)}


def task_named(name: str) -> Task:
    """BadInput where there is no such task."""
    if name not in TASKS:
        raise BadInput(f"setting 'task': there is no task '{name}'; there are: {', '.join(TASKS)}")
    return TASKS[name]


def task_of(config: Config) -> Task:
    """The task of some settings; BadInput where the other settings do not go with it."""
    task = task_named(config.task)
    if config.partition.by == "none" and task.needs_rest:
        raise BadInput("partition.by none: one ticket for all rows has no rest to be told from; take multiclass")
    if config.mode == "gated" and not task.mixes:
        raise BadInput("mode gated: the routed ticket alone answers, so it must tell all classes (task=multiclass)")
    if config.loss.class_weights != "none" and task.loss_for is None:
        raise BadInput(f"loss.class_weights: task '{task.name}' weighs no classes; take none, or task segmentation")
    if config.collapse.policy != "off" and task.doubt is None:
        raise BadInput(
            f"collapse.policy: the alarm goes by how sure tickets are, and those of task '{task.name}' do not say"
        )
    return task
