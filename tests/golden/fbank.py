"""Make fbank.npz: features of one wave by other people's code.

`s3prl_*` are s3prl's own baselines; `kaldi_*` are the static features of Kaldi's C++ code, by
kaldi-native-fbank, which shares nothing with torchaudio. Made with espnet-s3prl 2026.5.14,
torchaudio 2.11.0 and kaldi-native-fbank 1.23.0:

    pip install espnet-s3prl kaldi-native-fbank && python tests/golden/fbank.py
"""

from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import torch
from s3prl import hub
from scipy.signal import lfilter

RATE = 16_000


def vowel(seed: int, samples: int) -> np.ndarray:
    """Return int16 pulses at a falling pitch through three resonances, with some noise."""
    noise = np.random.default_rng(seed).standard_normal(samples)
    pitch = np.linspace(180, 120, samples)
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0)
    wave = pulses + 0.01 * noise
    for centre, width in ((700, 80), (1200, 90), (2600, 120)):
        radius = np.exp(-np.pi * width / RATE)
        wave = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2], wave)
    return np.round(wave / np.abs(wave).max() * 20_000).astype(np.int16)


def kaldi(computer, options, wave: np.ndarray) -> np.ndarray:
    """Return all frames of one of Kaldi's online feature computers."""
    computer = computer(options)
    computer.accept_waveform(RATE, wave.tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


def main() -> None:
    stored = vowel(seed=0, samples=4_999)
    wave = stored.astype(np.float32) / 32_768
    fbank, mfcc = knf.FbankOptions(), knf.MfccOptions()
    fbank.mel_opts.num_bins = 80
    mfcc.use_energy = False
    for options in (fbank, mfcc):
        options.frame_opts.dither = 0
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        wave=stored,
        s3prl_fbank=hub.fbank()([torch.from_numpy(wave)])["hidden_states"][0][0].numpy(),
        s3prl_mfcc=hub.mfcc()([torch.from_numpy(wave)])["hidden_states"][0][0].numpy(),
        kaldi_fbank=kaldi(knf.OnlineFbank, fbank, wave),
        kaldi_mfcc=kaldi(knf.OnlineMfcc, mfcc, wave),
    )


if __name__ == "__main__":
    main()
