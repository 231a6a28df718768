"""What an experiment's stages are called on disk, where interrupted runs of earlier versions lie."""

from rtl_core.config import CONTROLS as NAMES_OF_CONTROLS
from rtl_core.events import MemoryJournal, Stage
from rtl_core.learning import backbone
from rtl_core.learning.baselines import CONTROLS
from rtl_core.learning.method_steps import extract_ticket, extraction_steps, learn_tickets, ticket_set, warm_start


class Written(MemoryJournal):
    """Remembers every key that it kept something under."""

    def __init__(self):
        super().__init__()
        self.keys = []

    def mark(self, stage, step, last, state):
        super().mark(stage, step, last, state)
        if last:
            self.keys.append(stage.key)


def test_keys_stay_those_of_interrupted_runs(make_experiment):
    journal = Written()
    rounds = {"schedule": "count", "count": 15, "steps": 2, "warm_steps": 3, "learning_rate": 0.05}
    experiment = make_experiment(journal=journal, task="one_vs_rest", extract=rounds)
    start = warm_start(experiment)
    tickets = ticket_set(experiment, [extract_ticket(experiment, start, 0, None) for _ in range(3)])
    learn_tickets(experiment, start, "rtl", tickets.masks(), 0, 2)
    for name in NAMES_OF_CONTROLS:
        CONTROLS[name].learn(experiment, start, tickets, extraction_steps(experiment.config, tickets.n))
    assert journal.keys[:3] == ["rtl/warm_start", "rtl/extract/red/1/44", "rtl/extract/red/2/29"]
    joints = {f"{method}/joint" for method in ("rtl", *NAMES_OF_CONTROLS)}
    singles = ("imp_single", "imp_single_ovr")
    extracts = {f"{method}/extract/{place}" for method in singles for place in ("1/44", "2/29")}
    others = {"rtl/warm_start", "rtl/extract/red/1/44", "rtl/extract/red/2/29", "reinitialised/warm_start"}
    assert set(journal.keys) == joints | extracts | others


def test_the_key_of_mask_scores_and_of_a_backbone(dataset, make_experiment, monkeypatch):
    assert Stage("scores", "rtl", 5, 0.1, 0).key == "rtl/scores"
    assert Stage("scores", "rtl", 5, 0.1, 0, "a/b").key == "rtl/scores/a/b"
    journal, experiment = Written(), make_experiment()
    monkeypatch.setattr(backbone, "STEPS", 2)
    monkeypatch.setattr(experiment.network.module, "features", lambda x: x, raising=False)
    backbone.backbone_features(experiment.network, dataset, experiment.config, experiment.report, journal)
    assert journal.keys == ["backbone"]


def test_every_control_is_known_in_one_place_and_by_its_title():
    assert set(NAMES_OF_CONTROLS) == set(CONTROLS)
