"""Which tasks some data can be asked, and the settings that go with data and task. No Streamlit in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.kinds import kind_of
from rtl_core.errors import BadInput
from rtl_core.tasks.catalogue import TASKS

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset
    from rtl_core.tasks.task import Task

_CLUSTERS = 3


def tasks(dataset: Dataset) -> list[str]:
    """The names of the tasks that the data have a truth for."""
    return [name for name, task in TASKS.items() if _fits(task, dataset)]


def _fits(task: Task, dataset: Dataset) -> bool:
    try:
        task.output_shape(dataset)
    except BadInput:
        return False
    return True


def adapt(draft: dict[str, Any], dataset: Dataset) -> None:
    """Changes of a draft of settings what does not go with the data and the task: the task, subsets by class of data
    whose rows have none, a network made for other answers, weights of classes."""
    fitting = tasks(dataset)
    if draft["task"] not in fitting:
        made_for = [name for name in fitting if TASKS[name].network]
        draft["task"] = (made_for or fitting)[0]
    task = TASKS[draft["task"]]
    if dataset.labels is None and draft["partition"]["by"] == "class":
        columns = list(dataset.attributes.columns)
        draft["partition"] |= {"by": "attribute", "column": columns[0]} if columns else {"by": "kmeans", "k": _CLUSTERS}
    if task.network:
        draft["model"]["name"] = task.network
    elif draft["model"]["name"] in {other.network for other in TASKS.values()}:
        draft["model"]["name"] = "convnet" if kind_of(dataset).picture else "mlp"
    if task.loss_for is None:
        draft["loss"]["class_weights"] = "none"
