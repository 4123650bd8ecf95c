"""Settings of the filter and of the rules that choose its covariance."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

HISTORY = 10
"""Epochs that the student and the published rule look back on."""

RuleName = Literal["fixed", "gated", "adaptive", "variance", "guarded", "robust"]


class FilterSettings(BaseModel):
    """An extended Kalman filter over [x, y, vx, vy] and its covariance rule.

    A fix has the base variance r². "gated" multiplies it by `far` beyond a normalised innovation of `gate`. "adaptive"
    is the published rule: error e = |fix - student's prediction|; median and MAD of the last ten errors give the
    thresholds median + k1 MAD and median + k2 MAD; between them R is multiplied by `moderate`, beyond the second for
    `persistence` epochs in a row by `far`. With `clean` only errors below the second threshold enter the window: a long
    blockage then does not become the norm. "variance" takes R from the student: see rules.VarianceRule. A `pull` above
    zero also measures the student's prediction; the study calls "variance" with it "steered". "guarded" is "variance"
    with robust fixes behind a gate: it is "fixed" unless the student expects a poor fix (its variance beyond `engage`
    r²) and is itself to be trusted (a running mean of its normalised squared surprise below `doubt_limit`). "robust" is
    "fixed" with robust fixes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: RuleName = "fixed"
    acceleration: float = Field(default=0.6, gt=0, description="m/s²/√Hz: process noise")
    r: float = Field(default=0.5, gt=0, description="m: standard deviation of a fix")
    step_noise: float = Field(default=0.25, gt=0, description="m/s: of a step's velocity")
    still_noise: float = Field(default=0.05, gt=0, description="m/s: of the zero velocity of somebody who stands")
    gate: float = Field(default=3.0, gt=0)
    k1: float = Field(default=2.0, gt=0)
    k2: float = Field(default=5.0, gt=0)
    moderate: float = Field(default=4.0, ge=1)
    far: float = Field(default=100.0, ge=1)
    persistence: int = Field(default=2, ge=1)
    clean: bool = False
    floor: float = Field(default=0.05, ge=0, description="m: least MAD")
    trust: float = Field(default=1.0, ge=0, description="share of the student's predicted variance of the fix")
    surprise: float = Field(default=0.5, ge=0, description="share of the squared error beyond the predicted variance")
    engage: float = Field(default=1.0, ge=0, description="of r²: the student steers beyond this variance of the fix")
    doubt_limit: float = Field(default=2.0, gt=0, description="normalised squared surprise; 1 is what it expects")
    doubt_memory: float = Field(default=0.1, gt=0, le=1, description="weight of the newest fix in the running mean")
    pull: float = Field(default=0.0, ge=0, description="weight of the student's prediction as a measurement")


class DistilSettings(BaseModel):
    """How the networks are trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    student: str = Field(default="mlp", pattern="^(mlp|gru|mamba)$")
    hidden: tuple[int, int] = (40, 28)
    language_model: str | None = Field(default=None, description="folder of the teacher, in place of our own")
    teacher_hidden: int = 64
    teacher_epochs: int = 30
    steps: int = 2500
    batch: int = 512
    rate: float = 2e-3
    soft: float = Field(default=1.0, ge=0, description="weight of the divergence to the teacher")
    coordinates: float = Field(default=1.0, ge=0)
    consistency: float = Field(default=0.1, ge=0)
    shake: float = Field(default=0.05, ge=0, description="standard deviation of the consistency's noise on inputs")
    truth: float = Field(default=0.5, ge=0, description="weight of the likelihood of the truth beside the teacher")
