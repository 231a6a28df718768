"""A dense network trained on all rows, for features to cluster on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from rtl_core.config import RECALIBRATE_BATCHES, Config
from rtl_core.data.batches import pieces
from rtl_core.data.dataset import Dataset
from rtl_core.events import Journal, Report
from rtl_core.learning.batchnorm_recalibration import NormBatches, with_statistics
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.rewind_point import cold_start
from rtl_core.learning.subnetwork import as_module
from rtl_core.learning.subsets import Subset
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout

STEPS = 300  # about two passes over 10,000 rows: enough for features that tell classes apart


def backbone_features(
    network: Network, dataset: Dataset, config: Config, report: Report, journal: Journal
) -> Callable[[np.ndarray], np.ndarray]:
    """Trains `network` densely on the train rows' labels; returns row indices -> (n, f) features."""
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    everything = Subset(
        "backbone", (dataset.rows("train"),), lambda rows: torch.from_numpy(dataset.y[rows]), functional.cross_entropy
    )
    experiment = Experiment(config, network, layout, (everything,), dataset.inputs, report, journal)
    subnetwork = cold_start(network, config.sharing, 1, config.device).subnetwork(0, "backbone", None)
    train_jointly(experiment, [subnetwork], [everything], experiment.stage("backbone", "backbone", STEPS))
    batches = NormBatches(everything, RECALIBRATE_BATCHES, config.seed)
    subnetwork = with_statistics(network, subnetwork, layout, dataset.inputs, batches)
    module = as_module(network, subnetwork, layout).to(config.device)

    @torch.no_grad()
    def features(rows: np.ndarray) -> np.ndarray:
        result = [module.features(dataset.inputs(some).to(config.device)) for some in pieces(rows)]
        return torch.cat(result).cpu().numpy()

    return features
