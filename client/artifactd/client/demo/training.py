"""Training: a small network learns handwritten digits and logs its weights after every epoch."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from artifactd.client import Artifact, init
from artifactd.client.demo.contents import digest_of
from artifactd.client.demo.crew import Logged

__all__ = ["CHECKPOINT", "EPOCHS", "accuracy", "digits", "load_checkpoint", "train"]

CHECKPOINT = "checkpoint.npz"
EPOCHS = 10

_LAYERS = (256, 256)
_HELD_OUT = 360
_SIDE = 8

Weights = list[NDArray[np.float64]]
"""Of each layer its matrix and its bias, from the first layer to the last."""


class Digits(NamedTuple):
    """`images`: n × 64 in [0, 1]; `labels`: n digits."""

    images: NDArray[np.float64]
    labels: NDArray[np.int64]


def digits() -> tuple[Digits, Digits]:
    """Scikit-learn's digits: those to train with, each also shifted by a pixel to every side; those held out."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order] / 16, labels[order]
    wide = np.pad(images[_HELD_OUT:].reshape(-1, _SIDE, _SIDE), ((0, 0), (1, 1), (1, 1)))
    shifted = [
        wide[:, down : down + _SIDE, right : right + _SIDE].reshape(-1, _SIDE * _SIDE)
        for down in range(3)
        for right in range(3)
    ]
    training = Digits(np.concatenate(shifted), np.tile(labels[_HELD_OUT:], len(shifted)))
    return training, Digits(images[:_HELD_OUT], labels[:_HELD_OUT])


def accuracy(weights: Weights, data: Digits) -> float:
    """The part of the digits that a network of these weights reads right."""
    values = data.images
    for layer in range(0, len(weights) - 2, 2):
        values = np.maximum(values @ weights[layer] + weights[layer + 1], 0)
    read = (values @ weights[-2] + weights[-1]).argmax(axis=1)
    return float(np.mean(read == data.labels))


def load_checkpoint(path: Path) -> Weights:
    """What `train` saved. Nothing in the file is executed."""
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


def train(connection: Connection, collection: str, rate: float, directory: Path) -> None:
    """A training process: each epoch overwrites the same file, logs it, and reports to `connection`."""
    training, held_out = digits()
    model = MLPClassifier(hidden_layer_sizes=_LAYERS, learning_rate_init=rate, random_state=0)
    directory.mkdir()
    path = directory / CHECKPOINT
    best = 0.0
    with init(project="digits", job_type="train", name=collection, config={"learning_rate": rate}) as run:
        for epoch in range(EPOCHS):
            model.partial_fit(*training, classes=range(10))
            weights = [array for layer in zip(model.coefs_, model.intercepts_, strict=True) for array in layer]
            score = accuracy(weights, held_out)
            np.savez(path, *weights)

            artifact = Artifact(collection, "model", metadata={"epoch": epoch, "accuracy": score})
            start = time.perf_counter()
            artifact.add_file(path)
            handle = run.log_artifact(artifact, aliases=["best"] if score > best else [])
            seconds = time.perf_counter() - start

            digests = {CHECKPOINT: digest_of(path)}
            connection.send(Logged(collection, handle.id, artifact.metadata, digests, artifact.size, seconds))
            best = max(best, score)
