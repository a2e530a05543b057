"""What the control API is asked and answers, as models: the OpenAPI document is made from these."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hedged.control.kill_file import LONGEST

Level = Literal["reduce-only", "pause", "cancel", "flatten"]
Outcome = Literal["applied", "unchanged", "refused", "would apply"]


def _words(given: str) -> str:
    """Put a reason on one line and cut it: a kill is not refused because somebody wrote much."""
    text = " ".join(given.split())[:LONGEST]
    if not text:
        raise ValueError("say why")
    return text


Words = Annotated[str, AfterValidator(_words)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KillRequest(_Message):
    """Latch the kill switch."""

    level: Level = Field(
        "reduce-only",
        description="reduce-only: only orders that reduce a hedge leg; pause: no order at all; cancel: resting orders "
        "are cancelled, then none; flatten: cancelled, and hedge legs are closed",
    )
    reason: Words = Field(description="why: shown wherever the latch is shown")


class ResumeRequest(_Message):
    """Clear the latch."""

    confirm: bool = Field(
        False, description="true: the summary was read; else it is answered, and nothing done"
    )


class ReloadRequest(_Message):
    """Read the configuration file again."""

    dry_run: bool = Field(
        False, description="true: check it and tell what would change, and take nothing over"
    )


class Latched(_Message):
    """The kill switch as it is now."""

    latched: str = Field(
        description="level, since when, by whom, why, and what is left; `nothing` where it is clear"
    )
    summary: list[str] = Field(
        default_factory=list, description="after a resume: what it does and does not do"
    )


class Reloaded(_Message):
    """What became of a reload. A refused one has changed nothing at all."""

    outcome: Outcome
    why: str = Field(description="why it was refused")
    changes: list[str] = Field(description="setting: before → after; secrets are not shown")
    restart: list[str] = Field(description="settings that cannot change while the daemon runs")
    config: str = Field(description="hash of the configuration that is in force now")


class InForce(_Message):
    """The configuration that is in force."""

    hash: str
    config: dict[str, Any] = Field(
        description="the whole tree; what may be secret is masked, by a mark that tells whether two are the same"
    )


class Refusal(_Message):
    """Why a request was refused, and what to do. Nothing was done."""

    error: str
    summary: list[str] = Field(default_factory=list, description="resume: what it would do and not do")
