r"""1/f noise of each pixel: what keeps the noise of long ramps from falling as that of white noise does.

Power spectrum :math:`P(f) \propto 1/f` in time, independent from pixel to pixel, with the standard deviation s in each
octave of time [e-]; the shortest step is one frame. It is built as the sum of one random function per octave (Voss's
algorithm as modified by McCartney; Gardner 1978, Scientific American 238, 4),

.. math:: p(t) = s \sum_{k \ge 1} \big[ Z_k(j_k(t)) - Z_k(0) \big], \qquad j_k(t) = \lfloor (t + 2^{k-1}) / 2^k \rfloor,

with t the frames since the first one of the integration, dropped ones included, and Z_k independent standard normal
values at whole numbers (nearly, see below). Octave k changes every 2^k frames, first at frame 2^(k-1), so that at every
frame exactly one octave changes: number 1 + (trailing zeros of t). The structure function is that of 1/f noise,
:math:`\langle (p(t) - p(0))^2 \rangle = 2 s^2 (1 + \log_2 t)` for t a power of two, at any time.

Octave 0, which changes at every frame, is part of the white read noise. The value at the first frame is left out: it is
common to all frames of an integration, as the reset noise is, and twenty times smaller. A group has the mean over its
frames.

Source of the model: the noise that NIRCam's dark ramps have in flight. With white noise of standard deviation
:math:`\sigma` per frame, a correlated double sample has the variance :math:`2 \sigma^2 + 2 s^2`, and (fitted slope x
time) of 93 frames the variance :math:`0.129 \sigma^2 + 12.5 s^2` without that of the dark current. The two, measured
per detector, give :math:`\sigma` and s (`instruments/data/detector_noise.ecsv`).

Z_k is the sum of four 4-bit numbers, in whole steps of its standard deviation over `STEPS`: an eighth of a Philox block
each, added without rounding. Its excess kurtosis is -0.3, that of a fitted slope below 0.1 in size, under Gaussian
white noise.

Counters (key stream `pixel_pink`): ``(x | slot << 16, y, block, integration)``, eight deviates a block: number d is in
word d >> 1, the lower half for even d. Slot 0: number t & 7 of block t >> 3 is the value of the octave that changes at
frame t; slot 1: number (k - 1) & 7 of block (k - 1) >> 3 is Z_k(0).

Not modelled: differences of s between pixels, 1/f noise of reference pixels (not measured; `noise/outputs.py` has one of
whole outputs), and the correlation of one integration with the next.
"""

from __future__ import annotations

import math

from numba import int32, uint32

from mirage_dask.compiled import inline, kernel
from mirage_dask.detector.random.philox import philox_row

SLOT_CHANGES = 0
SLOT_FIRST = 1

STEPS = math.sqrt(85.0)
"""Standard deviation of the sum of four numbers 0 … 15."""


@inline
def _deviate(word, shift):
    """Return one of the two deviates of a word, by the shift 0 or 16: int32 in -30 … 30."""
    h = uint32(uint32(word) >> uint32(shift))
    pairs = uint32(uint32(h & uint32(0x0F0F)) + uint32(uint32(h >> uint32(4)) & uint32(0x0F0F)))
    return int32(int32(uint32(pairs + uint32(pairs >> uint32(8))) & uint32(0x3F)) - int32(30))


# Functions of their own, because within the loop over changes LLVM makes no vectors of them; the casts keep 32 bits.
@kernel(allocates=False)
def _change(words, shift, n, octave, drift, frames, summed):
    """Give an octave its next value, which the last `frames` frames of the group have."""
    frames = int32(frames)
    for i in range(n):
        value = _deviate(words[i], shift)
        step = int32(value - octave[i])
        octave[i] = value
        drift[i] = int32(drift[i] + step)
        summed[i] = int32(summed[i] + int32(step * frames))


@kernel(allocates=False)
def _change_alone(words, shift, n, octave, drift):
    """As `_change`, in a group of one frame, where the sum is the drift."""
    for i in range(n):
        value = _deviate(words[i], shift)
        drift[i] = int32(drift[i] + int32(value - octave[i]))
        octave[i] = value


@kernel(allocates=False)
def _change_two(words, n, slow, fast, drift, slow_frames, fast_frames, summed):
    """Two changes whose deviates lie in one word: half the passes over `drift` and `summed`."""
    slow_frames, fast_frames = int32(slow_frames), int32(fast_frames)
    for i in range(n):
        a = _deviate(words[i], 0)
        b = _deviate(words[i], 16)
        slow_step = int32(a - slow[i])
        fast_step = int32(b - fast[i])
        slow[i] = a
        fast[i] = b
        drift[i] = int32(drift[i] + int32(slow_step + fast_step))
        summed[i] = int32(summed[i] + int32(int32(slow_step * slow_frames) + int32(fast_step * fast_frames)))


@kernel
def _octave_of(change):
    """Return k - 1 of the octave k that changes at a frame: its trailing zeros."""
    k = 0
    while change >> k & 1 == 0:
        k += 1
    return k


@kernel
def _is_lost(change, first):
    """Return whether the octave changes again before the group begins, all of it in dropped frames."""
    return change + (2 << _octave_of(change)) <= first


@kernel
def octaves_until(frame):
    """Return how many octaves change until a frame, counted from the first one of the integration."""
    octaves = 0
    while frame >> octaves > 0:
        octaves += 1
    return octaves


@kernel(allocates=False)
def start_row(key, x0, y, integration, n, words, octaves):
    """Fill `octaves` with the values at the first frame of an integration.

    Parameters
    ----------
    key : Key
        Of the stream `pixel_pink`.
    x0, y, integration : int
        First pixel of the row.
    n : int
        Pixels.
    words : uint32, (4, n)
        For work.
    octaves : int32, (K, n), out
        Z_k(0) of the octaves k = 1 … K, in steps.
    """
    for k in range(octaves.shape[0]):
        if k & 7 == 0:
            philox_row(
                key.k0,
                key.k1,
                SLOT_FIRST,
                x0,
                y,
                k >> 3,
                integration,
                n,
                words[0],
                words[1],
                words[2],
                words[3],
            )
        row = words[(k & 7) >> 1]
        shift = (k & 1) << 4
        value = octaves[k]
        for i in range(n):
            value[i] = _deviate(row[i], shift)


@kernel(allocates=False)
def advance_group(key, x0, y, integration, n, before, first, frames, block, words, octaves, drift, summed):
    """Take a row from the last frame of a group through the frames of the next; return the block that `words` holds.

    Parameters
    ----------
    key, x0, y, integration, n
        As in `start_row`.
    before : int
        The frame that `octaves` and `drift` are of.
    first, frames : int
        First frame of the group, and how many it has. Frames between `before` and `first` are dropped: of each octave
        the last change counts.
    block : int
        The block that `words` holds, -1 for none.
    words : uint32, (4, n)
        Random words of the block.
    octaves : int32, (K, n)
        Values of the octaves; changed in place.
    drift : int32, (n,)
        p in steps of s / `STEPS`; changed in place to that of the last frame.
    summed : int32, (n,)
        Filled with the sum of p over the frames of the group; `drift` itself where the group has one frame.
    """
    if frames > 1:
        # As if nothing changed; each change then adds what it is to the frames that have it.
        for i in range(n):
            summed[i] = int32(drift[i] * int32(frames))
    last = first + frames - 1
    change = before
    while change < last:
        change += 1
        if _is_lost(change, first):
            continue
        if change >> 3 != block:
            block = change >> 3
            philox_row(
                key.k0,
                key.k1,
                SLOT_CHANGES,
                x0,
                y,
                block,
                integration,
                n,
                words[0],
                words[1],
                words[2],
                words[3],
            )
        row = words[(change & 7) >> 1]
        octave = octaves[_octave_of(change)]
        having = min(frames, last + 1 - change)
        if frames == 1:
            _change_alone(row, (change & 1) << 4, n, octave, drift)
        elif change & 1 == 0 and change < last and not _is_lost(change + 1, first):
            _change_two(row, n, octave, octaves[0], drift, having, min(frames, last - change), summed)
            change += 1
        else:
            _change(row, (change & 1) << 4, n, octave, drift, having, summed)
    return block
