"""What a grid of 1,000 runs of HuBERT Large on MSP-Podcast costs, on paper: `python grid_costs.py`.

Change the numbers at the top for another corpus, encoder or machine.
"""

from __future__ import annotations

import sys

# --- the corpus: MSP-Podcast 2.0 ---
TURNS = 264_705  # serbench.benchmarks.msp_podcast
SECONDS = 5.6  # of a turn; ASSUMED
SHARE = 0.6  # of them are trained on; ASSUMED

# --- the encoder: HuBERT Large ---
LAYERS, WIDTH, FRAMES = 25, 1024, 50  # of a second
PARAMETERS = 316e6
# multiplications and additions of a second of audio: 2 a weight and frame of the 302 million of
# the Transformer, and 2 a weight and place of the convolutions
TRANSFORMER, CONVOLUTIONS = 2 * 302e6 * FRAMES, 4.9e9
FORWARD = TRANSFORMER + CONVOLUTIONS
TRAINED = 3 * TRANSFORMER + CONVOLUTIONS  # backward is twice forward; the convolutions stay

# --- the grid ---
RUNS, EPOCHS_HEAD, EPOCHS_TUNED, BATCH = 1_000, 30, 10, 32
UPDATE = 0.0007  # s, of a head on means of 32 clips, on one core; MEASURED
ROW = 35  # bytes of a result for an utterance; MEASURED: emotale, 166 kB for 4,800 rows

# --- the machine ---
RATES = {
    # MEASURED: ten epochs of fine-tuning nano to a fold of crema_d, five at once, in 230 s:
    # 5 x 42 h in 230 s = 3,287 times real time, of 1.1e9 operations a second of audio
    "measured with nano": 3.6e12,
    # ASSUMED: half of the 67e12 that NVIDIA gives for single precision on an H100
    "half of the data sheet": 30e12,
}
DISK, NETWORK = 3e9, 1.25e9  # bytes a second: a local NVMe, 10 Gbit/s for all; ASSUMED
GPUS = (1, 8, 64)

HEARD = TURNS * SECONDS  # s
FEATURES = HEARD * FRAMES * LAYERS * WIDTH * 2  # bytes, half precision
MEANS = TURNS * LAYERS * WIDTH * 4


def say(text: str = "") -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def row(name: str, seconds: float, *, goes_over: bool = False) -> None:
    """Print how long something takes, on one GPU or with whole runs on several."""
    times = " | ".join(_time(seconds / (count if goes_over else 1)) for count in GPUS)
    say(f"| {name} | {seconds / 3600:,.1f} | {times} |")


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:,.0f} d"


def main() -> None:
    """Print the tables."""
    say(f"{HEARD / 3600:,.0f} h of audio; features {FEATURES / 1e12:.1f} TB, of the last layer")
    say(f"{FEATURES / LAYERS / 1e9:,.0f} GB, means of all {MEANS / 1e9:.0f} GB; one fine-tuned")
    say(f"encoder {4 * PARAMETERS / 1e9:.2f} GB; results {RUNS * TURNS * ROW / 1e9:.0f} GB\n")
    say(f"| | GPU hours | {' | '.join(f'{count} GPU{chr(115) * (count > 1)}' for count in GPUS)} |")
    say("|---|---" + "|---" * len(GPUS) + "|")
    for name, rate in RATES.items():
        say(f"| *{name}, {rate / 1e12:.1f} TFLOP/s* | | | | |")
        row("encode the corpus once", HEARD * FORWARD / rate)
        row(
            f"adapt it once, {EPOCHS_TUNED} epochs",
            EPOCHS_TUNED * HEARD * (TRAINED + 2 * CONVOLUTIONS) / rate,
        )
        tuned = EPOCHS_TUNED * SHARE * HEARD * TRAINED / rate
        row("fine-tune one run", tuned)
        row(f"fine-tune {RUNS:,} runs", RUNS * tuned, goes_over=True)
    updates = EPOCHS_HEAD * SHARE * TURNS / BATCH
    say(f"\n{RUNS:,} heads on means: {RUNS * updates * UPDATE / 3600:,.0f} core hours")
    read = RUNS * EPOCHS_HEAD * SHARE * FEATURES
    say(f"{RUNS:,} heads on frames: {read / 1e15:,.0f} PB are read, {read / DISK / 3600:,.0f} h of")
    say(f"one disk, {read / NETWORK / 3600:,.0f} h of the network; of the last layer alone a")
    say(f"{LAYERS}th of it: {read / LAYERS / DISK / 3600:,.0f} h of one disk")
    seconds = BATCH * SECONDS
    sent = 2 * (seconds * FRAMES * LAYERS * WIDTH * 4 + PARAMETERS * 4)
    slow, fast = (seconds * TRAINED / rate for rate in RATES.values())
    say(f"one update of {BATCH} turns computes {fast:.1f} to {slow:.1f} s on one GPU; shared with")
    say(f"another it sends {sent / 1e9:.1f} GB, {sent / NETWORK:.1f} s of the network")


if __name__ == "__main__":
    main()
