"""The catalog: what a team has, what it wants, what became of it. Each method is one transaction.

Everything that is recorded may be recorded again, by the same run or another at the same time: the rows end the same.
Every method raises ``CatalogUnreachable`` when the database does not answer and ``SchemaMissing`` when it was not
migrated.
"""

from __future__ import annotations

from storage.catalog.gallery import Gallery
from storage.catalog.plans import Plans
from storage.catalog.reviews import Reviews
from storage.catalog.rows import Rows
from storage.catalog.shots import Shots
from storage.catalog.takes import Takes


class Catalog(Rows, Plans, Shots, Takes, Reviews, Gallery):
    """The catalog in one database; threads may share it. Open one with :meth:`at`."""
