"""Stickers on packshots: an offer's badge that would stand in every picture of the product.

Two signs, either is enough: an offer's words, where a model that reads words is at hand, and a badge's look. Words are
read in any colour and place; the look is for badges whose words are too small or too ornate to be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Words = Callable[[Image.Image], Sequence[str]]
"""From an RGB image to the lines of words on it, as they are written."""

_OFFERS = """
    sale, final sale, summer sale, winter sale, spring sale, flash sale, mega sale, on sale, sold out, clearance
    new, brand new, new in, new arrival, new arrivals, new season, just in, coming soon, now in stock, as seen on tv
    hot deal, deal, deals, top deal, offer, special offer, limited offer, limited time, last chance, only today
    special price, best price, low price, best seller, bestseller, best choice, top rated, recommended, free gift
    free shipping, free delivery, free returns, promo, promotion, discount, black friday, cyber monday
    neu, neuheit, angebot, aktion, aktionspreis, rabatt, reduziert, nur heute, gratis, gratis versand, versandkostenfrei
    ausverkauf, ausverkauft, preishit, tiefpreis, schlussverkauf, bestpreis, nouveau, nouveauté, soldes, solde
    offre, offre spéciale, livraison gratuite, gratuit, meilleure vente, nuevo, nueva, novedad, oferta, rebajas
    descuento, envío gratis, gratis, más vendido, novità, nuovo, sconto, saldi, offerta, promozione, spedizione gratuita
    nieuw, aanbieding, korting, uitverkoop, novo, promoção, desconto, frete grátis, nowość, promocja, wyprzedaż, nyhet
    rabat, tilbud, udsalg, uutuus
"""
"""Whole lines, in the languages of many shops; commas and line ends stand between them."""
_SAVED = re.compile(
    r"\W*[-\u2010-\u2015\u2212] ?\d{1,2} ?%.*"
    r"|.*\b\d{1,2} ?% ?(off|rabatt|discount|descuento|korting|sconto|de réduction)\W*"
    r"|\W*save .*\d.*|\W*buy ?\d.* get ?\d.*|\W*\d ?\+ ?\d\W*|\W*\d ?for ?[\d$€£].*",
    re.IGNORECASE,
)
"""What can be saved: "-30 %", "up to 50% off", "save 10", "buy 1 get 1", "1+1", "2 for 1"."""
_READ = 400
"""Longest edge at which words are looked for. A sticker's words are large, and the larger the picture, the more short
words on dull grounds are missed (of 48, RapidOCR found 47 at 400 pixels and 30 at 640)."""


def _plain(text: str) -> str:
    # Spaces too: what is read often lacks them.
    return "".join(each for each in text.casefold() if each.isalnum())


_PLAIN_OFFERS = frozenset(_plain(each) for each in re.split("[,\n]", _OFFERS)) - {""}


def sticker_doubts(
    packshot: Image.Image, small: Image.Image, product: np.ndarray, words: Words | None
) -> Iterator[str]:
    """What looks like a sticker upon a product, or reads like one: at most one sentence.

    Args:
        small: the same packshot, RGB or RGBA, of the size of ``product`` [height, width], which is true on the product.
    """
    yield from [
        *_badge(np.asarray(small.convert("RGB"), dtype=np.float32), product),
        *sticker_words(packshot, words),
    ][:1]


def sticker_words(packshot: Image.Image, words: Words | None) -> Iterator[str]:
    """An offer's words on a packshot, wherever they stand; nothing without a model that reads."""
    if words is None:
        return
    shown = packshot.convert("RGBA")
    plain = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")
    plain.thumbnail((_READ, _READ), Image.Resampling.BOX)
    for line in words(plain):
        if _plain(line) in _PLAIN_OFFERS or _SAVED.fullmatch(line):
            yield f"a sticker: it says {line.strip()!r}"
            return


_STICKER = (0.015, 0.24)
"""Share of the product that a sticker covers."""
_VIVID, _ALIKE, _EVEN = 90, 20, 7
"""Of 256: how colourful a sticker is, how near to one colour its pixels, and how even."""
_COMPACT, _MARKED = 0.55, (0.01, 0.6)
"""How much of its box a sticker fills, and how much of it are words."""
_CORNER = 0.22
"""How far from the product's middle, in its own widths and heights, a sticker is put."""
_MOST_COLOURS = 6
_CLOSED = 5
"""Pixels that the strokes of a sticker's letters are wide."""


def _badge(pixels: np.ndarray, product: np.ndarray) -> Iterator[str]:
    """A compact patch of one even, vivid colour with marks in it, in a corner of the product, and not what is printed
    in a product's middle."""
    rows, columns = np.nonzero(product)
    if not len(rows):
        return
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    size = max(1, np.ptp(rows)), max(1, np.ptp(columns))
    for patch, filled in _patches(pixels, product):
        down, across = np.nonzero(filled)
        box = (np.ptp(down) + 1) * (np.ptp(across) + 1)
        marks = 1 - patch.sum() / filled.sum()
        off = (abs(down.mean() - middle[0]) / size[0], abs(across.mean() - middle[1]) / size[1])
        covers = _STICKER[0] <= filled.sum() / product.sum() <= _STICKER[1]
        if covers and filled.sum() / box >= _COMPACT and _MARKED[0] <= marks <= _MARKED[1] and min(off) >= _CORNER / 2:
            yield f"a sticker: a patch of one colour with marks on it covers {filled.sum() / product.sum():.0%} of it"
            return


def _patches(pixels: np.ndarray, product: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts of one vivid, even colour, and the same with the marks within them, which may cut them in two."""
    least = _STICKER[0] * product.sum() / 2
    vivid = product & (np.ptp(pixels, axis=2) >= _VIVID)
    kinds, counts = np.unique((pixels[vivid] // 16).astype(int), axis=0, return_counts=True)
    for kind in kinds[np.argsort(-counts)][:_MOST_COLOURS]:
        alike = product & (np.abs(pixels - (kind * 16 + 8)).max(axis=2) <= _ALIKE)
        closed = Image.fromarray(alike.astype(np.uint8)).filter(ImageFilter.MaxFilter(_CLOSED))
        left = closed.filter(ImageFilter.MinFilter(_CLOSED)).copy()
        for _ in range(_MOST_COLOURS):
            rows, columns = np.nonzero(np.asarray(left) == 1)
            if len(rows) < least:
                break
            middle = len(rows) // 2
            ImageDraw.floodfill(left, (int(columns[middle]), int(rows[middle])), 2)
            part = np.asarray(left) == 2
            patch = part & alike
            if patch.sum() >= least and pixels[patch].std(axis=0).max() <= _EVEN:
                yield patch, _spanned(part)
            left = Image.fromarray(np.where(part, 0, np.asarray(left)).astype(np.uint8)).copy()


def _spanned(part: np.ndarray) -> np.ndarray:
    """A part with what lies between its pixels, along rows as well as along columns."""
    spans = [
        np.maximum.accumulate(part, axis) & np.flip(np.maximum.accumulate(np.flip(part, axis), axis), axis)
        for axis in (0, 1)
    ]
    return np.asarray(spans[0] & spans[1])
