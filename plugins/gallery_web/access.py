"""Who may look and who may decide: Airflow's own users and roles."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Request

LOOKS_AT, DECIDES_FOR = "catalog", "upkeep"
"""Whoever may read runs of the first DAG sees the pictures; whoever may start the second, which publishes what was
approved, may approve."""


def may_decide(user: GetUserDep) -> bool:
    """Whether the user may answer reviews."""
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=DECIDES_FOR), user=user
    )


def check_may_look(user: GetUserDep) -> None:
    """403 for users who may not see runs."""
    if not get_auth_manager().is_authorized_dag(
        method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=LOOKS_AT), user=user
    ):
        raise HTTPException(403, "your role may not see these pictures")


def deciding_user(request: Request, user: GetUserDep, allowed: Annotated[bool, Depends(may_decide)]) -> str:
    """Name of the user who answers a review; 403 without the role, or if another site sent the form."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "this answer came from another site")
    if not allowed:
        raise HTTPException(403, "your role may look but not decide; ask for one that may start the DAG 'upkeep'")
    return user.get_name()


CanDecide = Annotated[bool, Depends(may_decide)]
DecidingUser = Annotated[str, Depends(deciding_user)]
