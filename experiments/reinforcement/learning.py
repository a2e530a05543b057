"""Trains a policy by PPO (Schulman et al. 2017). The engine is stable-baselines3, our own part the environment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from experiments.reinforcement.course import Course, Ints
from experiments.reinforcement.environment import KEEP, HedgeEnv
from experiments.reinforcement.playing import net_usd, played


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of PPO. `length`: decisions of an episode; `envs` of them are played side by side. `discount` is by
    decision: at 0.995 a saving two months away counts a third.
    """

    steps: int = 600_000
    length: int = 180
    envs: int = 32
    rollout: int = 128
    batch: int = 1024
    epochs: int = 8
    rate: float = 5e-4
    discount: float = 0.995
    trace: float = 0.98
    entropy: float = 0.005
    width: int = 64
    keeps: float = 4.5
    risk: float = 1.0
    looks: int = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a learning curve: net saving of the greedy policy on courses it does not learn from, USD."""

    steps: int
    net_usd: float


def train(
    courses: Sequence[Course],
    checked: Sequence[Course],
    recipe: Recipe,
    seed: int,
    begun: PPO | None = None,
) -> tuple[PPO, list[Point]]:
    """Learn on `courses`; the curve is measured on `checked`. `begun`: a policy that goes on learning, left as it is.

    The last weights are returned, never the best looking ones.
    """
    torch.set_num_threads(1)
    envs = DummyVecEnv([partial(HedgeEnv, courses, recipe.length, recipe.risk) for _ in range(recipe.envs)])
    model = PPO(
        "MlpPolicy",
        envs,
        learning_rate=_falling(recipe.rate),
        n_steps=recipe.rollout,
        batch_size=recipe.batch,
        n_epochs=recipe.epochs,
        gamma=recipe.discount,
        gae_lambda=recipe.trace,
        ent_coef=recipe.entropy,
        policy_kwargs={"net_arch": [recipe.width, recipe.width]},
        seed=seed,
        device="cpu",
    )
    with torch.no_grad():  # a hedger that begins by turning at every decision learns little but to keep still
        model.policy.action_net.bias[KEEP] = recipe.keeps
    if begun is not None:
        model.policy.load_state_dict(begun.policy.state_dict())
    watch = _Curve(checked, max(1, recipe.steps // recipe.looks))
    model.learn(recipe.steps, callback=watch)
    return model, watch.points


def _falling(rate: float) -> Callable[[float], float]:
    return lambda left: rate * left


class Greedy:
    """The most probable action of a trained policy."""

    def __init__(self, model: PPO) -> None:
        self._policy = model.policy

    def __call__(self, observations: NDArray[np.float32]) -> Ints:
        """Choose for many observations at once."""
        actions, _ = self._policy.predict(observations, deterministic=True)
        return np.asarray(actions, np.int64)


def opened(path: Path) -> Greedy:
    """Open a policy that `PPO.save` wrote."""
    return Greedy(PPO.load(path, device="cpu"))


class _Curve(BaseCallback):
    def __init__(self, courses: Sequence[Course], every: int) -> None:
        super().__init__()
        self._courses, self._every = courses, every
        self.points: list[Point] = []

    def _on_rollout_start(self) -> None:
        if not self.points or self.num_timesteps - self.points[-1].steps >= self._every:
            self._look()

    def _on_training_end(self) -> None:
        self._look()

    def _on_step(self) -> bool:
        return True

    def _look(self) -> None:
        states = played(Greedy(self.model), self._courses)  # type: ignore[arg-type]
        net = sum(net_usd(*pair) for pair in zip(self._courses, states, strict=True))
        self.points.append(Point(self.num_timesteps, net))
