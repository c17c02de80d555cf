"""A fitted model on disk (LightGBM text + card) and in service, through LightGBM's C library alone.

Called by bootstrap (``load_model``, ``shipped_model``), the scoring services and ml/training.py (``save_model``).

An artifact is two files: ``<name>.lgb.txt``, LightGBM's own text format, and ``<name>.json``, the card: which inputs in
which order, horizon, stamp, metrics with baselines, where the data came from. The Python package lightgbm is never
imported here: it costs 4 s of start and 180 MB (docs/adr/0010); its shared library costs milliseconds.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import math
import threading
import weakref
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.ml.features import FEATURE_NAMES
from ghl_real_estate_ai.models.intelligence import ModelStamp

Vector = npt.NDArray[np.float64]
Card = dict[str, object]

SHIPPED_DIR: Final = Path(__file__).parent / "shipped"
BASE: Final = "base"
"""Name under which ``contributions`` reports the average answer, in log-odds."""

# LightGBM's C API, c_api.h: stable since 3.0
_FLOAT64: Final = 1
_PREDICT_RAW: Final = 1
_PREDICT_CONTRIBUTIONS: Final = 3
_PARAMETERS: Final = b"num_threads=1 verbosity=-1"


class Model:
    """One fitted model, ready to answer. Safe to share between threads; frees its native memory when dropped."""

    def __init__(self, text: str, card: Card) -> None:
        """``text``: LightGBM's text format. Raises ModelArtifactError when text and card do not go together."""
        self.card = card
        try:
            self.stamp = ModelStamp.model_validate(card["stamp"])
            self.feature_names = tuple(str(name) for name in _listed(card["feature_names"]))
            self.horizon_days = int(str(card["horizon_days"]))
            slope, offset = (float(str(value)) for value in _listed(card["calibration"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelArtifactError(
                f"model card: {error}; run `enterprisehub train` to make it anew"
            ) from error
        self._slope, self._offset = slope, offset
        self._columns = _columns(self.stamp.name, self.feature_names)
        if content_version(text) != self.stamp.version:
            raise ModelArtifactError(
                f"model {self.stamp.name}: the file does not match its card (damaged or mixed up); "
                "run `enterprisehub train` to make it anew"
            )
        self._booster = _Booster(text, len(self.feature_names))
        self._lock = threading.Lock()

    def predict(self, x: Vector) -> float:
        """The probability for one feature vector, float64 of shape (len(FEATURES),), NaN = unknown."""
        with self._lock:
            raw = self._booster.raw(x[self._columns])
        return _sigmoid(self._slope * raw + self._offset)

    def contributions(self, x: Vector) -> dict[str, float]:
        """What each input adds to the answer, in log-odds (TreeSHAP), and ``base``; they add up to the log-odds."""
        with self._lock:
            shares = self._booster.contributions(x[self._columns])
        *each, base = (self._slope * share for share in shares)
        return {**dict(zip(self.feature_names, each, strict=True)), BASE: base + self._offset}


def load_model(path: Path) -> Model:
    """The model whose card is at ``path`` (``<name>.json``); its text lies beside it. Raises ModelArtifactError."""
    beside = path.with_name(f"{path.stem}.lgb.txt")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        text = beside.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelArtifactError(
            f"model {path.stem} in {path.parent}: {error}; run `enterprisehub train` to make it anew"
        ) from error
    if not isinstance(card, dict):
        raise ModelArtifactError(
            f"model card {path} is not an object; run `enterprisehub train` to make it anew"
        )
    return Model(text, card)


def shipped_model(name: str) -> Model:
    """The model that ships with the package: ``lead_score`` or ``churn_risk``, fitted on the simulated city."""
    return load_model(SHIPPED_DIR / f"{name}.json")


def save_model(text: str, card: Mapping[str, object], directory: Path) -> Path:
    """Write both files whole or not at all; returns the card's path. The card's stamp names the files."""
    name = Model(text, dict(card)).stamp.name  # what cannot be loaded is never saved
    directory.mkdir(parents=True, exist_ok=True)
    card_path = directory / f"{name}.json"
    # the card goes last: until it stands, a reader finds the old card, whose version then refuses the new text
    for path, content in (
        (directory / f"{name}.lgb.txt", text),
        (card_path, json.dumps(card, indent=2, sort_keys=True) + "\n"),
    ):
        draft = path.with_name(path.name + ".draft")
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    return card_path


def content_version(text: str) -> str:
    """The version of a model: the first 12 hex digits of its text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _columns(name: str, wanted: tuple[str, ...]) -> npt.NDArray[np.intp]:
    unknown = [feature for feature in wanted if feature not in FEATURE_NAMES]
    if unknown or not wanted:
        raise ModelArtifactError(
            f"model {name} wants inputs that this version does not compute ({', '.join(unknown) or 'none named'}); "
            "run `enterprisehub train` to fit it anew"
        )
    return np.array([FEATURE_NAMES.index(feature) for feature in wanted], dtype=np.intp)


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else 1.0 - 1.0 / (1.0 + math.exp(z))


class _Booster:
    """LightGBM's native booster. Not safe for threads by itself: input and output buffers are reused."""

    def __init__(self, text: str, inputs: int) -> None:
        self._library = _library()
        booster, iterations = ctypes.c_void_p(), ctypes.c_int()
        _check(
            self._library,
            self._library.LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(iterations), ctypes.byref(booster)
            ),
        )
        handles: list[tuple[str, ctypes.c_void_p]] = [("LGBM_BoosterFree", booster)]
        weakref.finalize(self, _free, self._library, handles)
        features = ctypes.c_int()
        _check(self._library, self._library.LGBM_BoosterGetNumFeature(booster, ctypes.byref(features)))
        if features.value != inputs:
            raise ModelArtifactError(
                f"the model takes {features.value} inputs, its card names {inputs}; run `enterprisehub train`"
            )
        self._input = np.zeros(inputs, dtype=np.float64)
        self._output = np.zeros(inputs + 1, dtype=np.float64)
        self._length = ctypes.c_int64()
        self._pointers = (
            ctypes.c_void_p(self._input.ctypes.data),
            ctypes.byref(self._length),
            ctypes.c_void_p(self._output.ctypes.data),
        )
        self._raw = self._fast(booster, _PREDICT_RAW, handles)
        self._contributions = self._fast(booster, _PREDICT_CONTRIBUTIONS, handles)

    def _fast(
        self, booster: ctypes.c_void_p, kind: int, handles: list[tuple[str, ctypes.c_void_p]]
    ) -> ctypes.c_void_p:
        """A prepared single-row call: 4 us, where a fresh one parses its parameters each time."""
        config = ctypes.c_void_p()
        code = self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster,
            kind,
            0,
            -1,
            _FLOAT64,
            ctypes.c_int32(self._input.size),
            _PARAMETERS,
            ctypes.byref(config),
        )
        _check(self._library, code)
        handles.insert(0, ("LGBM_FastConfigFree", config))  # a config refers to its booster: it goes first
        return config

    def _run(self, config: ctypes.c_void_p, x: Vector) -> None:
        self._input[:] = x
        _check(self._library, self._library.LGBM_BoosterPredictForMatSingleRowFast(config, *self._pointers))

    def raw(self, x: Vector) -> float:
        """Log-odds before calibration."""
        self._run(self._raw, x)
        return float(self._output[0])

    def contributions(self, x: Vector) -> list[float]:
        """One per input, then the base."""
        self._run(self._contributions, x)
        return [float(share) for share in self._output]


def _free(library: ctypes.CDLL, handles: list[tuple[str, ctypes.c_void_p]]) -> None:
    for function, handle in handles:
        getattr(library, function)(handle)


def _check(library: ctypes.CDLL, code: int) -> None:
    if code != 0:
        reason = library.LGBM_GetLastError().decode(errors="replace")
        raise ModelArtifactError(f"LightGBM: {reason}; run `enterprisehub train` to make the model anew")


@cache
def _library() -> ctypes.CDLL:
    """LightGBM's shared library, found without importing its package."""
    spec = importlib.util.find_spec("lightgbm")
    return open_library((spec.submodule_search_locations or []) if spec else [])


def open_library(folders: Iterable[str]) -> ctypes.CDLL:
    """The library below the first of ``folders`` that has it. Raises ModelArtifactError, which names what is missing."""
    names = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
    found = [p for folder in folders for name in names if (p := Path(folder) / "lib" / name).exists()]
    if not found:
        raise ModelArtifactError("LightGBM is not installed; install the package again (`make setup`)")
    try:
        library = ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise ModelArtifactError(
            f"LightGBM's library does not load ({error}); on Debian: apt-get install libgomp1"
        ) from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
