"""Every ticket's answer to one test input, where answers are no classes, with the ticket that it is sent to."""

from __future__ import annotations

import numpy as np

from app.answers import side_by_side
from app.routing.view import View


def draw(view: View) -> None:
    sample = side_by_side.choose(view.dataset)
    position = np.flatnonzero(view.eval_set.rows == view.dataset.rows("test")[sample])
    sent = view.names[view.ticket[position[0]]] if len(position) else None
    side_by_side.show(view.run, sample, sent)
