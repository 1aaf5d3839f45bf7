"""Who may look, who may decide and who may start runs: Airflow's own users and roles."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request

LOOKS_AT, DECIDES_FOR, STARTS = "catalog", "publish_approved", "campaign"
"""Whoever may read runs of the first DAG sees the pictures; whoever may start the second may decide reviews; whoever
may start the third may start campaigns from these pages."""


def _may(method: str, dag_id: str, user: GetUserDep) -> bool:
    return get_auth_manager().is_authorized_dag(
        method=method,  # type: ignore[arg-type]  # one of Airflow's literals
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=dag_id),
        user=user,
    )


def reviewers() -> frozenset[str]:
    """Names in Airflow's setting ``[lookbook] reviewers`` (``AIRFLOW__LOOKBOOK__REVIEWERS``, by commas): they may
    decide reviews though their role does not let them start DAGs."""
    return frozenset(filter(None, (name.strip() for name in conf.get("lookbook", "reviewers", fallback="").split(","))))


def may_decide(user: GetUserDep) -> bool:
    """Whether the user may answer reviews, ask for retakes and withdraw."""
    return user.get_name() in reviewers() or _may("POST", DECIDES_FOR, user)


def may_start(user: GetUserDep) -> bool:
    """Whether the user may start campaigns."""
    return _may("POST", STARTS, user)


def check_may_look(user: GetUserDep) -> None:
    """403 for users who may not see runs."""
    if not _may("GET", LOOKS_AT, user):
        raise HTTPException(403, "your role may not see these pictures")


def check_own_page(request: Request) -> None:
    """403 for a form that another site sent, whose request the browser may have signed with the user's cookie.

    Browsers send ``Origin`` with every POST, and ``Sec-Fetch-Site`` only over HTTPS and to this very machine.
    """
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "this answer came from another site")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in _own_hosts(request):
        raise HTTPException(403, f"this answer came from another site, {origin}")


def _own_hosts(request: Request) -> set[str]:
    """Under which names this server is reached: the request's own, and the one it is configured with."""
    return {request.headers.get("Host", ""), urlsplit(conf.get("api", "base_url", fallback="")).netloc} - {""}


def deciding_user(user: GetUserDep, allowed: Annotated[bool, Depends(may_decide)]) -> str:
    """Name of the user who answers a review; 403 without the right."""
    if not allowed:
        raise HTTPException(
            403,
            "your role may look but not decide; ask to be named in Airflow's setting [lookbook] reviewers, "
            f"or for a role that may start the DAG {DECIDES_FOR!r}",
        )
    return user.get_name()


def starting_user(user: GetUserDep, allowed: Annotated[bool, Depends(may_start)]) -> str:
    """Name of the user who starts a run; 403 without the right."""
    if not allowed:
        raise HTTPException(403, f"your role may not start runs; ask for one that may start the DAG {STARTS!r}")
    return user.get_name()


CanDecide = Annotated[bool, Depends(may_decide)]
CanStart = Annotated[bool, Depends(may_start)]
DecidingUser = Annotated[str, Depends(deciding_user)]
StartingUser = Annotated[str, Depends(starting_user)]
