"""Tells Airflow that something happened, so that the DAGs that wait for it start at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetModel
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

_LOG = logging.getLogger(__name__)


def announce(uri: str, extra: Mapping[str, Any]) -> bool:
    """Record an event of the asset ``uri``; returns whether Airflow took it.

    A loss is only said in the log: what was decided stands in the catalog, and the waiting DAG looks there by itself
    once an hour.
    """
    try:
        with create_session() as session:
            asset = session.scalar(select(AssetModel).where(AssetModel.uri == uri))
            if asset is None:
                _LOG.warning("Airflow does not know asset %s yet; its DAG will look for itself within the hour", uri)
                return False
            asset_manager.register_asset_change(asset=asset, extra=dict(extra), session=session)
    except SQLAlchemyError as error:
        _LOG.warning("Airflow took no event of asset %s (%s); its DAG will look for itself within the hour", uri, error)
        return False
    return True


def start_campaign(campaign: str, user: str) -> None:
    """Start a run of DAG ``campaign`` for what the campaign lacks, in the user's name."""
    _start("campaign", user, {"campaign": campaign})


def start_heat_maps(shot: str, user: str) -> None:
    """Start a run of DAG ``heat_maps`` for a shot, in the user's name."""
    _start("heat_maps", user, {"shots": [shot]})


def _start(dag_id: str, user: str, conf: dict[str, Any]) -> None:
    trigger_dag(dag_id=dag_id, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=user, conf=conf)
