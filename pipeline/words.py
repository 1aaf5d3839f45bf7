"""Alt text: what a picture shows, in the words of its row and the language of its campaign.

It says what the picture is for (the product), then who and where; nothing that the row does not say. A person's own
text is kept as it is (:meth:`storage.catalog.takes.Takes.describe`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brief.types import Framing, Shot

LONGEST = 250
"""Characters; screen readers read an alt text in one go."""


@dataclass(frozen=True, slots=True)
class Template:
    """Sentences of a language. ``place`` is the environment's own description, which stays in the row's language."""

    held: str
    beside: str
    still: str

    def of(self, framing: Framing) -> str:
        if framing is Framing.STILL:
            return self.still
        return self.held if framing is Framing.HELD else self.beside


TEMPLATES: Mapping[str, Template] = {
    language: Template(f"{{title}}, {held}, {{place}}", f"{{title}}, {beside}, {{place}}", "{title}, {place}")
    for language, held, beside in (
        ("en", "held by a person", "with a person beside it"),
        ("de", "von einer Person gehalten", "daneben eine Person"),
        ("fr", "tenu par une personne", "avec une personne à côté"),
        ("es", "en manos de una persona", "junto a una persona"),
        ("it", "tenuto da una persona", "accanto a una persona"),
        ("nl", "vastgehouden door een persoon", "met een persoon ernaast"),
    )
}
"""By the language's subtag of BCP 47. A further language is a further row."""


def alt_text(shot: Shot, language: str) -> str:
    """The alt text of a picture, at most :data:`LONGEST` characters; a language without templates gives English."""
    template = TEMPLATES.get(language.partition("-")[0].lower(), TEMPLATES["en"])
    text = template.of(shot.framing).format(
        title=_plain(shot.product.title), place=_plain(shot.environment.description)
    )
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
