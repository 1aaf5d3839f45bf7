"""Between the catalog's rows and the words of :mod:`brief.types`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from brief.face_spec import FaceSpec
from brief.types import Asset, Campaign, Environment, ImageRef, Persona, Product, Scorecard, Shot, Take
from storage.catalog.records import TakeRecord
from storage.catalog.tables import AssetRow, CampaignRow, EnvironmentRow, PersonaRow, ProductRow, TakeRow

_CAMPAIGN = TypeAdapter(Campaign)
_SHOT = TypeAdapter(Shot)
_SCORECARD = TypeAdapter(Scorecard)


def product_values(product: Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "title": product.title,
        "category": product.category,
        "packshot_key": product.packshot.key,
        "packshot_sha256": product.packshot.sha256,
        "attributes": dict(product.attributes),
    }


def product_of(row: ProductRow) -> Product:
    packshot = ImageRef(row.packshot_key, row.packshot_sha256)
    return Product(row.sku, row.title, row.category, packshot, row.attributes)


def environment_values(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "description": environment.description,
        "photo_key": environment.photo.key,
        "photo_sha256": environment.photo.sha256,
    }


def environment_of(row: EnvironmentRow) -> Environment:
    return Environment(row.name, row.description, ImageRef(row.photo_key, row.photo_sha256))


def persona_values(persona: Persona) -> dict[str, Any]:
    return {
        "name": persona.name,
        "face": persona.face.chosen(),
        "seed": persona.seed,
        "portrait_key": persona.portrait.key if persona.portrait else None,
        "portrait_sha256": persona.portrait.sha256 if persona.portrait else None,
    }


def persona_of(row: PersonaRow) -> Persona:
    return Persona(row.name, FaceSpec.from_mapping(row.face), row.seed, _ref(row.portrait_key, row.portrait_sha256))


def campaign_values(campaign: Campaign) -> dict[str, Any]:
    brief = _CAMPAIGN.dump_python(campaign, mode="json")
    return {"name": campaign.name, "title": campaign.title, "brief": brief}


def campaign_of(row: CampaignRow) -> Campaign:
    return _CAMPAIGN.validate_python(row.brief)


def shot_values(shot: Shot) -> dict[str, Any]:
    return {
        "key": shot.key,
        "campaign": shot.campaign,
        "sku": shot.product.sku,
        "environment": shot.environment.name,
        "persona": shot.persona.name if shot.persona else None,
        "framing": shot.framing.value,
        "spec": _SHOT.dump_python(shot, mode="json"),
    }


def shot_of(spec: dict[str, Any]) -> Shot:
    return _SHOT.validate_python(spec)


def scorecard_values(scorecard: Scorecard) -> dict[str, Any]:
    values: dict[str, Any] = _SCORECARD.dump_python(scorecard, mode="json")
    return values


def take_of(row: TakeRow) -> TakeRecord:
    return TakeRecord(
        take=Take(row.key, row.shot_key, row.number, row.seed, row.changes, row.words),
        composed=_ref(row.composed_key, row.composed_sha256),
        refined=_ref(row.refined_key, row.refined_sha256),
        scorecard=_SCORECARD.validate_python(row.scorecard) if row.scorecard else None,
        seconds=row.seconds,
    )


def asset_values(asset: Asset, run_id: str) -> dict[str, Any]:
    return {
        "shot_key": asset.shot_key,
        "take_key": asset.take_key,
        "master_key": asset.master.key,
        "master_sha256": asset.master.sha256,
        "manifest_key": asset.manifest.key,
        "manifest_sha256": asset.manifest.sha256,
        "renditions": {name: {"key": ref.key, "sha256": ref.sha256} for name, ref in asset.renditions.items()},
        "run_id": run_id,
    }


def asset_of(row: AssetRow) -> Asset:
    return Asset(
        shot_key=row.shot_key,
        take_key=row.take_key,
        master=ImageRef(row.master_key, row.master_sha256),
        renditions={name: ImageRef(**ref) for name, ref in row.renditions.items()},
        manifest=ImageRef(row.manifest_key, row.manifest_sha256),
    )


def _ref(key: str | None, sha256: str | None) -> ImageRef | None:
    return ImageRef(key, sha256) if key and sha256 else None
