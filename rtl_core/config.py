"""All settings of a run, described once.

Command-line flags, the app's forms and the check of `config.json` are drawn from these models, so a
field's title, description, default and bounds stand here and nowhere else. Unknown keys and values
out of range are errors that name the field and what is allowed.
"""

import json
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rtl_core import display_names
from rtl_core.errors import BadInput
from rtl_core.storage_budget import budget

Score = Literal["lamp", "global_magnitude", "layer_magnitude", "taylor"]
CONTROLS: tuple[str, ...] = tuple(display_names.CONTROLS)
Method = Literal[CONTROLS]
USUAL_CONTROLS = tuple(name for name in CONTROLS if name not in display_names.AT_EQUAL_STORAGE)
LEAST_WIDTH, MOST_WIDTH = 0.1, 4.0
RECALIBRATE_BATCHES = 12  # on which norm statistics are re-estimated, unless a setting says otherwise


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DataSettings(_Settings):
    """What is learned from."""

    spec: str = Field(
        "bundled:domains",
        title="Data",
        description="bundled:fashion, bundled:domains, bundled:emoji, bundled:digits, bundled:adult, bundled:nuclei, "
        "bundled:cells, folder:PATH, csv:PATH, npz:PATH, idx:PATH, cifar:PATH, domain:PATH, masks:PATH, coco:PATH, "
        "voc:PATH, yolo:PATH or openml:NAME",
    )
    image_size: Annotated[int, Field(ge=8, le=256)] | None = Field(
        None,
        title="Image size",
        description="Side in pixels that pictures are resized to; empty: 32 for folders, as stored elsewhere",
    )
    target: str | None = Field(None, title="Target column", description="Tables: the column to predict")
    groups: tuple[str, ...] = Field(
        (), title="Group columns", description="Tables: columns kept as attributes (and left in the features)"
    )
    drop: tuple[str, ...] = Field((), title="Dropped columns", description="Tables: columns that are not features")
    val_share: float = Field(
        0.1,
        ge=0.02,
        le=0.5,
        title="Validation share",
        description="Share of the training rows set aside to choose settings on",
    )
    test_share: float = Field(
        0.2,
        ge=0.05,
        le=0.5,
        title="Test share",
        description="Share set aside for the final figures where the data has no split of its own",
    )
    split: Literal["given", "blocks"] = Field(
        "given",
        title="Split",
        description="given: what the data say, or drawn; blocks: films are cut into blocks of about 20 frames, some of "
        "each for val and test, without the frames where two splits meet",
    )
    domain_classes: Literal["common", "all"] = Field(
        "common",
        title="Classes of domains",
        description="For domain:PATH; common: classes that every domain has; all: those that any has",
    )
    limit: Annotated[int, Field(ge=100)] | None = Field(
        None,
        title="Row limit",
        description="Use at most so many training rows, drawn by seed, in proportion to the classes",
    )


class PartitionSettings(_Settings):
    """How the data is split into the subsets that get a ticket each."""

    by: Literal["class", "attribute", "kmeans", "hdbscan", "quantiles", "none"] = Field(
        "attribute", title="Partition by", description="none: one ticket for all rows, the plain lottery ticket"
    )
    column: str | None = Field(
        None, title="Column", description="The attribute for `attribute` and `quantiles`; empty: the first one there is"
    )
    k: int = Field(5, ge=2, le=100, title="Number of subsets", description="For k-means and quantiles")
    features: Literal["raw", "pca", "backbone"] = Field(
        "pca",
        title="Cluster on",
        description="raw inputs, their principal components, or the features of a trained dense backbone",
    )
    umap: bool = Field(False, title="UMAP before clustering")
    noise: Literal["nearest", "drop"] = Field(
        "nearest", title="Noise points", description="HDBSCAN: give noise to the nearest cluster, or leave it out"
    )
    min_size: int = Field(
        32, ge=2, le=100_000, title="Smallest subset", description="Training rows below which a subset is refused"
    )


class ModelSettings(_Settings):
    """The one network that all tickets share."""

    name: Literal["convnet", "ghostnet", "resnet18", "resnet50", "mlp", "unet", "centernet"] = Field(
        "convnet", title="Network"
    )
    width: float = Field(
        1.0, ge=LEAST_WIDTH, le=MOST_WIDTH, title="Width", description="Multiplies the number of channels"
    )
    stem: Literal["cifar", "imagenet"] = Field(
        "cifar", title="ResNet stem", description="cifar: 3x3, no pooling; imagenet: 7x7, stride 2, pooling"
    )


class OptimiserSettings(_Settings):
    name: Literal["adam", "sgd", "momentum"] = Field("adam", title="Optimiser")
    batch_size: int = Field(64, ge=2, le=4096, title="Batch size")
    weight_decay: float = Field(0.0, ge=0.0, le=0.1, title="Weight decay")


class ExtractSettings(_Settings):
    """Algorithm 1: how each ticket's mask is found on its own subset."""

    score: Score = Field("lamp", title="Pruning score")
    schedule: Literal["one_shot", "fraction", "count"] = Field(
        "one_shot",
        title="Schedule",
        description="one_shot: one cut after one run; fraction, count: rounds with rewinding (the paper)",
    )
    steps: int = Field(
        280, ge=1, le=1_000_000, title="Steps per round", description="Training steps of a ticket before every cut"
    )
    fraction: float = Field(
        0.3, gt=0.0, lt=1.0, title="Fraction per round", description="Share of the kept weights removed in a round"
    )
    count: int = Field(
        4096, ge=1, title="Weights per round", description="Number of weights removed in a round (the paper: 4,096)"
    )
    layer_floor: int = Field(
        1,
        ge=0,
        le=100_000,
        title="Floor per layer",
        description="Weights that every layer keeps, whatever the score says",
    )
    sharing: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        title="Sharing",
        description="How far tickets are cut by the mean of all their scores; 0: each by its own, 1: all alike",
    )
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, title="Learning rate")
    warm_steps: int = Field(
        200,
        ge=0,
        le=1_000_000,
        title="Warm start",
        description="Dense steps over all subsets in turn before theta_0 is frozen (late rewinding); 0: the paper",
    )


class JointSettings(_Settings):
    """Algorithm 2: joint retraining of the shared weights with the masks fixed."""

    steps: int = Field(
        120,
        ge=1,
        le=1_000_000,
        title="Joint steps",
        description="Batches per ticket; smaller subsets repeat cyclically",
    )
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, title="Learning rate")
    decay: Literal["none", "cosine"] = Field(
        "none", title="Decay", description="cosine: the learning rate of every method falls to 0 as joint training ends"
    )
    start: Literal["rewind", "merged"] = Field(
        "rewind",
        title="Starts from",
        description="rewind: theta_0 (the paper); merged: where several tickets keep a weight, the mean of what their "
        "extractions made of it; one mask for all then goes on from its own extraction too",
    )


class LossSettings(_Settings):
    """What training makes small."""

    class_weights: Literal["none", "inverse_root"] = Field(
        "none",
        title="Class weights",
        description="Segmentation: every pixel alike, or by 1 / sqrt of its class's share of the train pixels, so that "
        "rare classes count more",
    )


CONFIDENCE_THRESHOLD = 0.02


class CollapseSettings(_Settings):
    """What happens when tickets lose what they can on the way down: docs/collapse.md.

    Only rounds with rewinding are watched: a one-shot extraction trains nothing between its levels.
    """

    policy: Literal["off", "warn", "stop", "relax"] = Field(
        "off",
        title="On an alarm",
        description="warn: go on; stop: keep the last safe masks; relax: go back to them and on with smaller cuts",
    )
    signal: Literal["brier", "confidence"] = Field(
        "brier",
        title="The alarm goes by",
        description="brier: the Brier score, which needs the labels of validation rows; confidence: no labels",
    )
    threshold: float = Field(
        CONFIDENCE_THRESHOLD,
        gt=0.0,
        lt=0.5,
        title="Alarm threshold of confidence",
        description="How far the tickets' mean confidence may fall below its best so far, where the alarm goes by that",
    )
    brier_threshold: float = Field(
        0.019,
        gt=0.0,
        lt=1.0,
        title="Alarm threshold",
        description="How far the tickets' mean Brier score may rise above its least so far",
    )
    doubt_threshold: float = Field(
        0.2,
        gt=0.0,
        lt=100.0,
        title="Alarm threshold of doubt",
        description="For tasks whose answers are not one of a few: how far the mean doubt may rise above its least so "
        "far, in standard deviations of the rows' doubt",
    )
    relaxations: int = Field(
        2, ge=1, le=10, title="Relaxations", description="How often relax may go back; every time the cuts are halved"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, given: Any) -> Any:
        """Settings that know no `signal` but a threshold of their own mean confidence, which it has always been of."""
        earlier = isinstance(given, dict) and "signal" not in given
        if earlier and given.get("threshold", CONFIDENCE_THRESHOLD) != CONFIDENCE_THRESHOLD:
            return {**given, "signal": "confidence"}
        return given


class SharingSettings(_Settings):
    """What belongs to a ticket and what to all of them."""

    head: Literal["shared", "ticket"] = Field("shared", title="Classifier head")
    norm_statistics: Literal["shared", "ticket"] = Field("ticket", title="Norm statistics")
    norm_affine: Literal["shared", "ticket"] = Field("shared", title="Norm scale and shift")
    recalibrate_batches: int = Field(
        RECALIBRATE_BATCHES,
        ge=0,
        le=10_000,
        title="Recalibration batches",
        description="Batches on which norm statistics are re-estimated per ticket after joint training; 0: off",
    )


class GatedSettings(_Settings):
    """Gated mode: mask scores over the frozen weights of a dense backbone, trained together with a gate."""

    backbone_steps: int = Field(
        600,
        ge=0,
        le=1_000_000,
        title="Backbone steps",
        description="Dense steps over all subsets in turn before the weights are frozen",
    )
    steps: int = Field(
        200, ge=1, le=1_000_000, title="Score steps", description="Batches per ticket on which its scores are trained"
    )
    batch_size: int = Field(64, ge=2, le=4096, title="Batch size")
    learning_rate: float = Field(
        3e-3, gt=0.0, le=1.0, title="Learning rate of scores", description="Scores start as ranks between 0 and 1"
    )
    gate_learning_rate: float = Field(1e-2, gt=0.0, le=1.0, title="Learning rate of the gate")
    binarise_every: int = Field(
        1, ge=1, le=100_000, title="Steps between binarisations", description="Masks stand still in between"
    )
    features: Literal["grid", "grid_small", "pixels", "pooled"] = Field(
        "grid", title="Gate sees", description="What the gate is computed from; docs/routing.md describes each"
    )
    guide_weight: float = Field(
        1.0,
        ge=0.0,
        le=100.0,
        title="Weight of the partition",
        description="How strongly the gate is told the subset, beside what the tickets' answers tell it",
    )
    density_weight: float = Field(
        0.1, ge=0.0, le=100.0, title="Weight of the expected density", description="Price of weights per routed input"
    )
    balance_weight: float = Field(
        0.0, ge=0.0, le=100.0, title="Weight of load balance", description="Price of an uneven share of inputs"
    )


def _text_of_number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _storage_budget(text: str) -> str:
    try:
        budget(text)
    except BadInput as error:
        raise ValueError(str(error)) from None
    return text


class Config(_Settings):
    """One training, completely. `Config.model_validate(dict)` fills in the defaults."""

    preset: str | None = Field(None, title="Preset", description="The preset this started from, for the record")
    mode: Literal["paper", "gated"] = Field(
        "paper",
        title="Mode",
        description="paper: masks by pruning, then joint retraining; gated: mask scores and a gate over frozen weights",
    )
    task: str = Field(
        "multiclass",
        title="Task",
        description="multiclass: every ticket tells all classes; one_vs_rest: a ticket tells its subset from the rest; "
        "segmentation: every ticket says what each pixel shows; detection: every ticket says which things stand where",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed")
    reweigh: str | None = Field(
        None,
        title="Reweigh by",
        description="A group column: training rows are drawn as if group and class were independent within a subset",
    )
    density: float = Field(
        0.1,
        gt=0.0,
        lt=1.0,
        title="Density",
        description="Share of the prunable weights that a ticket keeps (1 - sparsity)",
    )
    storage: Annotated[str, BeforeValidator(_text_of_number), AfterValidator(_storage_budget)] | None = Field(
        None,
        title="Storage budget",
        description="The most that all tickets store together: a number of weights (8000), or kilobytes of weights and "
        "packed masks (40KB); finds the sharing that fits",
    )
    denser: tuple[float, ...] = Field(
        (1.0, 0.7, 0.5, 0.35, 0.25, 0.15),
        title="Denser levels",
        description="Densities above the target at which a one-shot extraction is also recorded",
    )
    lighter: tuple[float, ...] = Field(
        (0.07, 0.05, 0.035, 0.025, 0.015),
        title="Lighter levels",
        description="Densities below the target to which the ranking goes on",
    )
    threads: int = Field(
        1, ge=1, le=256, title="CPU threads", description="Results depend on it bit for bit, so it is part of the run"
    )
    workers: int = Field(
        2,
        ge=1,
        le=64,
        title="Trainings at a time",
        description="Independent tickets and methods trained side by side; changes no result",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", title="Device")
    controls: tuple[Method, ...] = Field(
        USUAL_CONTROLS, title="Controls", description="Methods trained beside the tickets to compare with"
    )
    data: DataSettings = DataSettings()
    partition: PartitionSettings = PartitionSettings()
    model: ModelSettings = ModelSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    extract: ExtractSettings = ExtractSettings()
    joint: JointSettings = JointSettings()
    sharing: SharingSettings = SharingSettings()
    gated: GatedSettings = GatedSettings()
    loss: LossSettings = LossSettings()
    collapse: CollapseSettings = CollapseSettings()

    @model_validator(mode="after")
    def _levels_are_densities(self) -> "Config":
        for name, densities in (("denser", self.denser), ("lighter", self.lighter)):
            if any(not 0 < d <= 1 for d in densities):
                raise ValueError(f"{name}: densities lie in (0, 1]")
        return self

    @model_validator(mode="after")
    def _only_rounds_are_watched(self) -> "Config":
        if self.collapse.policy != "off" and (self.mode == "gated" or self.extract.schedule == "one_shot"):
            raise ValueError(
                "collapse.policy: there are no rounds to watch; take mode=paper with extract.schedule=fraction or count"
            )
        return self

    @model_validator(mode="after")
    def _tickets_share_where_they_are_cut(self) -> "Config":
        setting = "storage" if self.storage is not None else "extract.sharing" if self.extract.sharing else None
        if setting and self.mode == "gated":
            raise ValueError(f"{setting}: gated mode trains mask scores and cuts nothing; take mode=paper")
        if self.joint.decay != "none" and self.mode == "gated":
            raise ValueError("joint.decay: gated mode trains no weights jointly; take joint.decay=none or mode=paper")
        if self.storage is not None and self.extract.sharing:
            raise ValueError("storage: it finds the sharing that fits; leave extract.sharing at 0")
        if self.storage is not None and self.extract.schedule != "one_shot":
            raise ValueError("storage: it fits tickets that are cut in one go; take extract.schedule=one_shot")
        return self


def parse(values: dict[str, Any]) -> Config:
    """A valid `Config`, or BadInput that names the first wrong field and what is allowed."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise BadInput(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(piece) for piece in first["loc"] if piece != "function-after") or "settings"
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(_sibling_fields(first["loc"])))
        return f"unknown setting '{where}'; known here: {known}"
    given = first.get("input")
    shown = "" if isinstance(given, (dict, list, tuple)) else f" (got {given!r})"
    message = first["msg"].removeprefix("Value error, ")
    return f"setting '{where}': {message[0].lower()}{message[1:]}{shown}"


def _sibling_fields(loc: tuple) -> list[str]:
    model: Any = Config
    for piece in loc[:-1]:
        model = model.model_fields[piece].annotation
    return list(model.model_fields)


def merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`values` with those of `over` in their place; groups are merged setting by setting."""
    groups = {
        key: {**values[key], **group}
        for key, group in over.items()
        if isinstance(group, dict) and isinstance(values.get(key), dict)
    }
    return {**values, **over, **groups}


def with_setting(values: dict[str, Any], assignment: str) -> dict[str, Any]:
    """`values` with one `key=value` applied; dots reach into groups, values are JSON or plain text."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise BadInput(f"--set wants key=value, for example --set extract.steps=100 (got {assignment!r})")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    changed = json.loads(json.dumps(values))
    group = changed
    *path, last = key.split(".")
    for piece in path:
        group = group.setdefault(piece, {})
        if not isinstance(group, dict):
            raise BadInput(f"--set {key}: '{piece}' is a value, not a group of settings")
    group[last] = value
    return changed


def preset_names() -> list[str]:
    folder = resources.files("rtl_core").joinpath("presets")
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def preset(name: str) -> dict[str, Any]:
    """A preset's settings: only what differs from the defaults (its reason is in its file)."""
    if name not in preset_names():
        raise BadInput(f"there is no preset '{name}'; there are: {', '.join(preset_names())}")
    text = resources.files("rtl_core").joinpath("presets", f"{name}.json").read_text("utf-8")
    return {"preset": name, **json.loads(text)["settings"]}


def preset_reason(name: str) -> str:
    preset(name)
    text = resources.files("rtl_core").joinpath("presets", f"{name}.json").read_text("utf-8")
    return json.loads(text)["reason"]
