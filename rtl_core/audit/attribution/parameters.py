"""The bounded settings of each attribution method, with their defaults."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """The settings of a method that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SaliencyParameters(Parameters):
    absolute: bool = Field(True, title="Absolute", description="Size of the gradient; off: with its sign")


class PathParameters(Parameters):
    """Of a method whose steps are doubled until a map sums to what it should."""

    steps: int = Field(32, ge=8, le=1024, title="Steps", description="Points on the way from the baseline")
    max_steps: int = Field(
        512, ge=8, le=1024, title="Most steps", description="Steps are doubled until the sum fits, up to this number"
    )


class GradientShapParameters(Parameters):
    samples: int = Field(32, ge=1, le=512, title="Samples", description="Random points between baseline and input")
    noise: float = Field(0.1, ge=0, le=1, title="Noise", description="Standard deviation added to the input")


class LayerParameters(Parameters):
    layer: str | None = Field(None, title="Layer", description="A convolution by its name; empty: the last one")


class ConductanceParameters(LayerParameters):
    steps: int = Field(32, ge=8, le=1024, title="Steps", description="Points on the way from the baseline")


class OcclusionParameters(Parameters):
    window: int = Field(4, ge=1, le=64, title="Window", description="Side of the square that is covered, in pixels")
    stride: int = Field(2, ge=1, le=64, title="Stride", description="Pixels from one square to the next")


class KernelShapParameters(Parameters):
    samples: int = Field(200, ge=16, le=4096, title="Samples", description="Coalitions of columns that are tried")
