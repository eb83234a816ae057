"""Makes `metrics*` beside it with audmetric 1.4.2 and scikit-learn 1.9.1 alone.

    python tests/golden/metrics.py

The predictions are fixed by arithmetic: the fractional parts of multiples of the golden ratio.
`metrics.json` has the CCC of small cases and the scores of the two tables, every one written out
as its own loop over folds, seeds and speakers.
"""

import json
from pathlib import Path

import audmetric
import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, recall_score

HERE = Path(__file__).parent
LABELS = ["neutral", "happy", "angry", "sad"]
DIMENSIONS = ["arousal", "valence"]
SEEDS = [0, 1]
# speaker to fold and number of utterances; s5 has too few for a CCC
SPEAKERS = {"s1": ("a", 9), "s2": ("a", 7), "s3": ("b", 11), "s4": ("c", 12), "s5": ("c", 1)}
CASES = [
    ([1, 2, 3, 4, 5], [1.1, 2.3, 2.9, 4.2, 4.6]),
    ([1, 2, 3], [2, 3, 4]),
    ([1, 2, 3, 4], [2, 4, 6, 8]),
    ([1, 2, 3], [3, 2, 1]),
    ([1, 2, 3], [1, 2, 3]),
    ([1, 2], [1.5, 1.7]),
    ([0, 1, 2], [0, 1, 1]),
    ([1, 2, 3], [2, 2, 2]),
    ([2, 2, 2], [1, 2, 3]),
    ([2, 2, 2], [2, 2, 2]),
    ([2, 2, 2], [3, 3, 3]),
    ([4], [4]),
    ([4], [3]),
    ([], []),
    ([1, 2, 3, 4], [1, float("nan"), 3, 4]),
]


def spread(number: int) -> float:
    """Return a fixed number in [0, 1) that looks drawn."""
    return (number * 0.6180339887498949) % 1.0


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    classes, dimensions, number = [], [], 0
    for seed in SEEDS:
        for speaker, (fold, count) in SPEAKERS.items():
            for i in range(count):
                number += 1
                key = {
                    "utterance": f"{speaker}_{i:02}",
                    "speaker": speaker,
                    "fold": fold,
                    "seed": seed,
                }
                truth = LABELS[(i * i + len(speaker + fold) + int(speaker[1])) % 4]
                guess = truth if spread(number) < 0.6 else LABELS[int(4 * spread(7 * number))]
                classes.append({**key, "truth": truth, "prediction": guess})
                row = dict(key)
                for d, name in enumerate(DIMENSIONS):
                    value = round(1 + 6 * spread(31 * i + 17 * int(speaker[1]) + 5 * d), 3)
                    row[f"truth:{name}"] = value
                    noise = (2 + d) * (spread(13 * number + d) - 0.5)
                    row[f"prediction:{name}"] = round(2 + 0.5 * value + noise, 3)
                dimensions.append(row)
    return pd.DataFrame(classes), pd.DataFrame(dimensions)


def of_classes(rows: pd.DataFrame) -> dict[str, float]:
    truth, guess = rows["truth"].tolist(), rows["prediction"].tolist()
    present = sorted(set(truth))
    return {
        "wa": accuracy_score(truth, guess),
        "ua": recall_score(truth, guess, labels=present, average="macro", zero_division=0),
        "macro_f1": f1_score(truth, guess, labels=present, average="macro", zero_division=0),
    }


def of_dimensions(rows: pd.DataFrame) -> dict[str, float]:
    values = {
        name: audmetric.concordance_cc(
            rows[f"truth:{name}"].to_numpy(), rows[f"prediction:{name}"].to_numpy()
        )
        for name in DIMENSIONS
    }
    return {f"ccc:{name}": v for name, v in values.items()} | {
        "ccc": np.mean(list(values.values()))
    }


def summary(table: pd.DataFrame, measure, speakers: list[str]) -> dict[str, dict[str, float]]:
    folds = sorted(table.fold.unique())
    found = {}
    for name in measure(table):
        grid = np.array(
            [
                [measure(table[(table.fold == f) & (table.seed == s)])[name] for f in folds]
                for s in SEEDS
            ]
        )
        people = np.array(
            [
                [measure(table[(table.speaker == p) & (table.seed == s)])[name] for p in speakers]
                for s in SEEDS
            ]
        )
        found[name] = {
            "mean_of_folds": grid.mean(),
            "std_over_folds": grid.mean(axis=0).std(),
            "std_over_seeds": grid.mean(axis=1).std(),
            "pooled": np.mean([measure(table[table.seed == s])[name] for s in SEEDS]),
            "mean_of_speakers": people.mean(),
            "std_over_speakers": people.mean(axis=0).std(),
            "speaker_std_over_seeds": people.mean(axis=1).std(),
        }
    return found


def main() -> None:
    classes, dimensions = tables()
    classes.to_csv(HERE / "metrics_classes.csv", index=False)
    dimensions.to_csv(HERE / "metrics_dimensions.csv", index=False)
    golden = {
        "ccc": [
            {"truth": t, "prediction": p, "value": audmetric.concordance_cc(t, p)} for t, p in CASES
        ],
        "classes": summary(classes, of_classes, list(SPEAKERS)),
        "dimensions": summary(dimensions, of_dimensions, [s for s in SPEAKERS if s != "s5"]),
    }
    (HERE / "metrics.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
