"""A fitted model on disk (LightGBM text + card) and in service, through LightGBM's C library alone.

Called by services/tenant_models.py (``shipped_model``, ``Model``), the scoring services and ml/training.py (``save_model``).

An artifact is two files: ``<name>.lgb.txt``, LightGBM's own text format, and ``<name>.json``, the card: which inputs in
which order, horizon, stamp, metrics with baselines, where the data came from. A card with ``periods`` is a hazard's
(ml/hazard.py): the booster's last input is the period, ``silence`` says that the question is that nothing happens. The
Python package lightgbm is never imported here: it costs 4 s of start and 180 MB (docs/adr/0010); its shared library costs
milliseconds.
"""

from __future__ import annotations

import copy
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
from ghl_real_estate_ai.ml.hazard import event_log_odds_of_one, shares_of_answer
from ghl_real_estate_ai.ml.shrinkage import Answer, Recalibration
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
        self.text, self.card = text, card
        try:
            self.stamp = ModelStamp.model_validate(card["stamp"])
            self.feature_names = tuple(str(name) for name in _listed(card["feature_names"]))
            self.horizon_days = int(str(card["horizon_days"]))
            slope, offset = (float(str(value)) for value in _listed(card["calibration"]))
            self.periods = tuple(float(str(end)) for end in _listed(card.get("periods", [])))
            self.recalibration = _recalibration(card.get("recalibration"))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelArtifactError(
                f"model card: {error}; run `enterprisehub train` to make it anew"
            ) from error
        self._sign = -1.0 if card.get("silence") else 1.0
        self._slope, self._offset = slope, offset
        self._columns = _columns(self.stamp.name, self.feature_names)
        if content_version(text, card.get("recalibration")) != self.stamp.version:
            raise ModelArtifactError(
                f"model {self.stamp.name}: the file does not match its card (damaged or mixed up); "
                "run `enterprisehub train` to make it anew"
            )
        self._booster = Booster(text, len(self.feature_names) + bool(self.periods))
        self._lock = threading.Lock()

    def predict(self, x: Vector) -> float:
        """The probability for one feature vector, float64 of shape (len(FEATURES),), NaN = unknown."""
        odds = self.log_odds(x)
        return _sigmoid(odds) if self.recalibration is None else self.recalibration.probability(odds)

    def answer(self, x: Vector) -> Answer:
        """The probability with its 80 % interval; both ends equal it where the card says nothing of its certainty."""
        odds = self.log_odds(x)
        if self.recalibration is not None:
            return self.recalibration.answer(odds)
        p = _sigmoid(odds)
        return Answer(p, p, p, 0.0)

    def within(self, x: Vector, *, days: float) -> float:
        """The probability within ``days``, a period's end: of a hazard, what the shorter time takes off the log-odds."""
        whole = self.log_odds(x)
        p = _sigmoid(whole) if self.recalibration is None else self.recalibration.probability(whole)
        if days >= self.horizon_days:
            return p
        return _sigmoid(math.log(p / (1.0 - p)) + self.log_odds(x, days=days) - whole)

    def log_odds(self, x: Vector, *, days: float = math.inf) -> float:
        """Before what the tenant's own leads say. ``days``: of a hazard, within the periods that end by then."""
        wanted = x[self._columns]
        with self._lock:
            if not self.periods:
                raw = self._booster.raw(wanted)
            else:
                within = max(1, sum(end <= days for end in self.periods))
                raw = self._sign * event_log_odds_of_one(self._booster.raw_by_period(wanted, within))
        return self._slope * raw + self._offset

    def contributions(self, x: Vector) -> dict[str, float]:
        """What each input adds to the answer, in log-odds (TreeSHAP), and ``base``; they add up to the log-odds.

        Of a hazard each period's shares are weighed by how much the answer leans on the period; what the period itself
        adds, and what own leads have moved, is in ``base``.
        """
        wanted = x[self._columns]
        with self._lock:
            if self.periods:
                rows = [self._booster.contributions(wanted, number) for number in range(len(self.periods))]
            else:
                rows = [self._booster.contributions(wanted)]
        found = np.array(rows)
        if self.periods:
            # the last input is the period: what it adds is no input of the lead
            each, _ = shares_of_answer(found[:, :-2], found[:, -1] + found[:, -2])
            shares = self._sign * each
        else:
            shares = found[0, :-1]
        slope = self._slope if self.recalibration is None else self._slope * self.recalibration.slope
        named = dict(zip(self.feature_names, (slope * shares).tolist(), strict=True))
        p = self.predict(x)
        return {**named, BASE: math.log(p / (1.0 - p)) - math.fsum(named.values())}

    def recalibrated(self, recalibration: Recalibration) -> Model:
        """The same trees with another belief about where and how sure they are, under a version of its own; both share
        the native booster.
        """
        twin = copy.copy(self)
        twin.recalibration = recalibration
        version = content_version(self.text, recalibration.as_dict())
        twin.stamp = self.stamp.model_copy(update={"version": version})
        return twin


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
    """The model that ships with the package: ``lead_score``, ``won`` or ``churn_risk``, fitted on the simulated city."""
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


def content_version(text: str, recalibration: object = None) -> str:
    """The version of a model: the first 12 hex digits of the SHA-256 of what its answers come from."""
    beside = "" if recalibration is None else json.dumps(recalibration, sort_keys=True)
    return hashlib.sha256((text + beside).encode()).hexdigest()[:12]


def _recalibration(card: object) -> Recalibration | None:
    if card is None:
        return None
    if not isinstance(card, dict):
        raise TypeError(f"recalibration is {type(card).__name__}, not an object")
    return Recalibration.from_dict(card)


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


class Booster:
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

    def _call(self, config: ctypes.c_void_p) -> None:
        _check(self._library, self._library.LGBM_BoosterPredictForMatSingleRowFast(config, *self._pointers))

    def raw(self, x: Vector) -> float:
        """Log-odds before calibration."""
        self._input[:] = x
        self._call(self._raw)
        return float(self._output[0])

    def raw_by_period(self, x: Vector, periods: int) -> list[float]:
        """Log-odds of the hazard in each period; ``x`` has no place for the period, the booster's last input."""
        self._input[:-1] = x
        hazards = []
        for number in range(periods):
            self._input[-1] = number
            self._call(self._raw)
            hazards.append(float(self._output[0]))
        return hazards

    def contributions(self, x: Vector, period: int | None = None) -> list[float]:
        """One per input, then the base; of a hazard, in that period."""
        if period is None:
            self._input[:] = x
        else:
            self._input[:-1], self._input[-1] = x, period
        self._call(self._contributions)
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
