"""What Prometheus reads from ``/metrics``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from generation.counts import Counts
from service.protocol import ItemResult, Job, Stage

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """The numbers of one service, in a registry of its own."""

    def __init__(self, depth: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._jobs = Counter("lookbook_jobs", "Jobs that ended", ["stage", "state"], registry=self._registry)
        self._items = Counter("lookbook_items", "Items that ended", ["stage", "outcome"], registry=self._registry)
        self._seconds = Histogram(
            "lookbook_item_seconds", "Time per item that was made", ["stage"], buckets=_SECONDS, registry=self._registry
        )
        waiting = Gauge("lookbook_queue_jobs", "Jobs that wait", registry=self._registry)
        waiting.set_function(depth)

    def watch(self, counts: Counts) -> None:
        """Publish the counts of a loaded bundle."""
        self._registry.register(_CountsCollector(counts))

    def item(self, stage: Stage, result: ItemResult) -> None:
        """Count an item."""
        outcome = "failed" if result.error else "kept" if result.kept else "made"
        self._items.labels(stage.value, outcome).inc()
        if outcome == "made":
            self._seconds.labels(stage.value).observe(result.seconds)

    def job(self, job: Job) -> None:
        """Count a job that is over."""
        self._jobs.labels(job.stage.value, job.state.value).inc()

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self._registry)


_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


_COUNTED = (
    ("lookbook_model_loads", "Bundles read from disk", "loads"),
    ("lookbook_text_cache_hits", "Prompts found encoded", "text_hits"),
    ("lookbook_image_cache_hits", "Images found encoded", "image_hits"),
    ("lookbook_text_forwards", "Calls of the text encoders", "text_forwards"),
    ("lookbook_image_forwards", "Calls of the image encoder", "image_forwards"),
    ("lookbook_unet_forwards", "Calls of the denoiser", "unet_forwards"),
)
"""Name, meaning and field of :class:`generation.counts.Counts`; Prometheus adds ``_total`` to the name."""


class _CountsCollector(Collector):
    """Reads the counts of a bundle when Prometheus asks, as counters, so that ``rate()`` survives a restart."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        for name, what, field in _COUNTED:
            yield CounterMetricFamily(name, what, value=getattr(self._counts, field))
        pictures = CounterMetricFamily("lookbook_pictures", "Pictures made", labels=["stage"])
        for stage, count in list(self._counts.images.items()):
            pictures.add_metric([stage], count)
        yield pictures
        seconds = CounterMetricFamily("lookbook_stage_seconds", "Seconds that the models worked", labels=["stage"])
        for stage, spent in list(self._counts.seconds.items()):
            seconds.add_metric([stage], spent)
        yield seconds


class JsonLines(logging.Formatter):
    """Time, level, logger and message of a record, and whatever the call gave as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in record.__dict__.items() if name not in _USUAL})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json() -> None:
    """Send all logging of this process to standard error as JSON lines, unless somebody set it up otherwise."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)
