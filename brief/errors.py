"""The tree of what can go wrong. Whoever calls a package catches its base; each message is for the person who must act.

::

    LookbookError
    ├── SettingsError     a variable or a connection is missing or wrong (brief.settings)
    ├── BriefError        what is asked cannot be: FaceSpecError, PlanError, ImageRefused
    ├── GenerationError   a picture cannot be made: BundleError, CutoutError, MissingInput, NotFinite, VisionError, ...
    ├── StorageError      CatalogError with its tree (storage.catalog.errors), ObjectError with its tree
    │                     (storage.bucket.errors), NothingToImport, RowRefused
    ├── ServiceError      ServiceUnreachable, ServiceBusy, JobNotFound (service.client), QueueFull, JobDiffers, ...
    ├── PipelineError     StageUnfinished, RunUnfinished, NothingToPublish, ManifestDamaged, TooFewLabels
    └── EmbeddedError     PartError, ToolError, AirflowError: the set-up on this machine
"""

from __future__ import annotations


class LookbookError(Exception):
    """What happened, to which row, object or server, and what to do."""


class SettingsError(LookbookError, ValueError):
    """A setting is missing or wrong; names the variable or the connection that must be changed."""


class BriefError(LookbookError, ValueError):
    """What is asked cannot be."""


class GenerationError(LookbookError):
    """A picture cannot be made, or not with these models."""


class StorageError(LookbookError):
    """Something about the catalog, the bucket, or rows on their way in."""


class ServiceError(LookbookError):
    """The generation service does not do as asked."""


class PipelineError(LookbookError):
    """A run cannot go on."""


class EmbeddedError(LookbookError):
    """The set-up on this machine does not work."""
