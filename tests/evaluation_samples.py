"""Invented but plausible evaluations for the tests of reports and commands. No figure here was measured."""

from typing import Any

import numpy as np

from tinyloc.bundle.site import Room
from tinyloc.device.evaluation.evaluation_record import Evaluation

ROOMS = [
    {"name": "living room", "x": 0.0, "y": 0.0, "width": 5.0, "height": 4.2, "floor": 0},
    {"name": "kitchen", "x": 5.0, "y": 0.0, "width": 3.4, "height": 4.2, "floor": 0},
    {"name": "hall", "x": 0.0, "y": 4.2, "width": 8.4, "height": 1.6, "floor": 0},
    {"name": "bedroom", "x": 0.0, "y": 5.8, "width": 8.4, "height": 3.4, "floor": 0},
]

LAYERS = [
    ("layer_00_embed", ["FULLY_CONNECTED"], 64, 128, 300.0),
    ("layer_01_norm", ["MUL", "MEAN", "RSQRT", "MUL"], 16, 20, 420.0),
    ("layer_02_in_proj", ["FULLY_CONNECTED"], 256, 384, 700.0),
    ("layer_03_conv", ["CONCATENATION", "MUL", "ADD", "ADD"], 64, 160, 380.0),
    ("layer_04_silu", ["LOGISTIC", "MUL"], 16, 512, 150.0),
    ("layer_05_x_proj", ["FULLY_CONNECTED"], 528, 660, 1210.0),
    ("layer_06_dt", ["FULLY_CONNECTED", "SOFTPLUS"], 16, 590, 210.0),
    ("layer_07_scan", ["MUL", "EXP", "MUL", "MUL", "ADD", "MUL", "BATCH_MATMUL"], 768, 1040, 5220.0),
    ("layer_08_gate", ["LOGISTIC", "MUL", "MUL"], 32, 512, 160.0),
    ("layer_09_out_proj", ["FULLY_CONNECTED", "ADD"], 128, 192, 390.0),
    ("layer_10_scores", ["FULLY_CONNECTED"], 32, 48, 120.0),
]

PLAN = [
    ("embedded", 0, 16, 0, 9),
    ("normed", 16, 16, 1, 2),
    ("xz", 32, 64, 2, 8),
    ("conv", 96, 32, 3, 4),
    ("u", 128, 32, 4, 7),
    ("dbc", 160, 66, 5, 7),
    ("dt", 96, 32, 6, 7),
    ("y", 228, 32, 7, 8),
    ("gated", 96, 32, 8, 9),
    ("hidden", 128, 16, 9, 10),
    ("scores", 0, 8, 10, 10),
]


def _quality(macro_f1: float, accuracy: float, positions: list[list[float]]) -> dict[str, Any]:
    table = np.asarray(positions)
    errors = np.linalg.norm(table[:, :3] - table[:, 3:], axis=1)
    p50, p75, p90, largest = np.percentile(errors, [50, 75, 90, 100]).tolist()
    return {
        "macro_f1": macro_f1,
        "accuracy": accuracy,
        "errors_m": {"mean": float(errors.mean()), "p50": p50, "p75": p75, "p90": p90, "max": largest},
    }


def _walk(decisions: int, wrong: float, seed: int) -> tuple[list[list[float]], list[list[int]]]:
    """Positions and confusion of `decisions` decisions in ROOMS, a share of them `wrong`."""
    random = np.random.default_rng(seed)
    confusion = np.zeros((len(ROOMS), len(ROOMS)), dtype=int)
    positions = []
    for _ in range(decisions):
        true = int(random.choice(len(ROOMS), p=[0.45, 0.25, 0.08, 0.22]))
        decided = int(random.integers(len(ROOMS))) if random.random() < wrong else true
        room, other = ROOMS[true], ROOMS[decided]
        place = [
            float(room["x"]) + random.random() * float(room["width"]),
            float(room["y"]) + random.random() * float(room["height"]),
            1.0,
        ]
        centre = [float(other["x"]) + float(other["width"]) / 2, float(other["y"]) + float(other["height"]) / 2, 1.0]
        positions.append([*place, *centre])
        confusion[true, decided] += 1
    return positions, confusion.tolist()


def house_evaluation(**changes: Any) -> Evaluation:
    """A Mamba in the simulated house on the STM32L4, passed; `changes` replace fields."""
    positions, confusion = _walk(2400, 0.12, seed=1)
    fields: dict[str, Any] = {
        "name": "house-a-mamba-h8l1",
        "model_id": "00c0ffee12345678",
        "data": "house-a (simulated)",
        "licence": "none: simulated",
        "architecture": "mamba",
        "parameters": 1432,
        "parameters_published": 1432,
        "arithmetic": "int16x8",
        "backend": "native",
        "board": "stm32l4",
        "board_title": "Nucleo-L432KC (STM32L432KC)",
        "clock_hz": 80_000_000,
        "transport": "emulator (unicorn 2.1.4)",
        "samples": 24_020,
        "decisions": 2400,
        "unseen_class_samples": 0,
        "mismatches": 0,
        "first_mismatches": [],
        "device": _quality(0.871, 0.902, positions),
        "host_int": _quality(0.871, 0.902, positions),
        "float_model": _quality(0.873, 0.903, positions),
        "classes": [str(room["name"]) for room in ROOMS],
        "confusion": confusion,
        "positions": positions,
        "site": {"floors": [{"name": "floor 0"}], "rooms": [Room.rectangle(**room).model_dump() for room in ROOMS]},
        "cycles": {"median": 11_840.0, "p90": 12_020.0, "max": 14_551.0},
        "cycles_kind": "modelled",
        "instructions": {"median": 8_912.0, "p90": 9_040.0, "max": 10_773.0},
        "measured_samples": 500,
        "functions": [
            {"name": name, "cycles": cycles, "instructions": cycles * 0.74, "calls": 1.0}
            for name, _, _, _, cycles in LAYERS
        ]
        + [
            {"name": "tl_viterbi", "cycles": 1480.0, "instructions": 1100.0, "calls": 0.1},
            {"name": "tl_localiser_sample", "cycles": 610.0, "instructions": 505.0, "calls": 1.0},
            {"name": "memcpy", "cycles": 155.0, "instructions": 98.0, "calls": 6.0},
        ],
        "stacks": {
            **{f"tl_localiser_sample;tl_model_step;{name}": cycles for name, _, _, _, cycles in LAYERS},
            "tl_localiser_sample;tl_viterbi": 1480.0,
            "tl_localiser_sample": 610.0,
            "tl_localiser_sample;tl_model_step;memcpy": 155.0,
        },
        "layers": [
            {"name": name, "operators": operators, "macs": macs, "constant_bytes": constants, "cycles": cycles}
            for name, operators, macs, constants, cycles in LAYERS
        ],
        "plan": [dict(zip(("name", "offset", "size", "first", "last"), row, strict=True)) for row in PLAN],
        "plan_steps": [layer[0] for layer in LAYERS],
        "ram": {
            "arena": 260,
            "state": 744,
            "localiser": 204,
            "stack": 512,
            "static": 520,
            "total": 2240,
            "stack_reserved": 2048,
        },
        "flash": {
            "weights": 4246,
            "kernels": 5120,
            "localise": 1480,
            "link": 1392,
            "app": 2010,
            "library": 410,
            "other": 318,
            "total": 14_976,
        },
        "energy": {
            "microjoule": 37.3,
            "study_microjoule": 2.96,
            "volts": 3.0,
            "sleep_microamp": 1.0,
            "assumptions": "84 uA/MHz in run mode at 3.0 V, 80 MHz; Zephyr board page, November 2026.",
        },
        "budget": [
            {"name": "flash", "used": 14_976.0, "limit": 262_144.0, "unit": "B", "source": "board"},
            {"name": "ram", "used": 2240.0, "limit": 4096.0, "unit": "B", "source": "recipe"},
            {"name": "latency", "used": 0.148, "limit": 200.0, "unit": "ms", "source": "board"},
        ],
        "retries": 0,
        "seconds": 9.4,
        "versions": {"tinyloc": "0.1.0", "gcc": "12.2.1", "unicorn": "2.1.4"},
        "settings": {
            "optimise": "Os",
            "recipe": {"training": {"epochs": 60, "patience": None}, "export": {"arithmetics": ["int8", "int16x8"]}},
            "parity": [
                {"stage": "step", "against": "window", "error": 1.3e-7, "agreement": 1.0, "worst": 7.9e-7},
                {"stage": "int16x8", "against": "tflite", "error": 0.013, "agreement": 0.998, "worst": 0.04},
            ],
        },
    }
    return Evaluation.model_validate({**fields, **changes})


def uji_evaluation(**changes: Any) -> Evaluation:
    """An MLP on 59 areas of three buildings, four floors: no plan of rooms, many classes."""
    random = np.random.default_rng(2)
    classes = [f"B{building}F{floor}-{cell:02d}" for building in range(3) for floor in range(4) for cell in range(5)]
    classes = classes[:59]
    confusion = np.zeros((59, 59), dtype=int)
    positions = []
    for _ in range(1111):
        true = int(random.integers(59))
        decided = true if random.random() < 0.84 else int(np.clip(true + random.integers(-6, 7), 0, 58))
        building, floor, cell = true // 20, (true // 5) % 4, true % 5
        x, y = 110.0 * building + 24 * cell + random.normal(0, 8), 40.0 * building + random.normal(0, 22)
        error = random.gamma(1.6, 5.5 if true == decided else 22.0)
        angle = random.random() * 2 * np.pi
        positions.append([x, y, 4.0 * floor, x + error * np.cos(angle), y + error * np.sin(angle), 4.0 * floor])
        confusion[true, decided] += 1
    fields: dict[str, Any] = {
        "name": "uji-mlp",
        "data": "UJIIndoorLoc",
        "licence": "CC BY 4.0",
        "architecture": "mlp",
        "arithmetic": "int8",
        "parameters": 18_619,
        "parameters_published": 18_619,
        "samples": 1111,
        "decisions": 1111,
        "unseen_class_samples": 3,
        "classes": classes,
        "confusion": confusion.tolist(),
        "positions": positions,
        "site": {},
        "device": _quality(0.781, 0.849, positions),
        "host_int": _quality(0.781, 0.849, positions),
        "float_model": _quality(0.784, 0.851, positions),
        "measured_samples": 1111,
    }
    return house_evaluation(**{**fields, **changes})


def golden_evaluation(**changes: Any) -> Evaluation:
    """A model of the zoo on made-up scans."""
    return uji_evaluation(**{"samples_from": "golden scans", "samples": 64, "decisions": 64, **changes})
