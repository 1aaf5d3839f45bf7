"""Pictures: from a planned shot to a scored take. No storage, no HTTP."""

import logging


def _is_news(record: logging.LogRecord) -> bool:
    return "requires torchvision (not installed)" not in record.getMessage()


# Pictures are prepared by Pillow on purpose; transformers warns of it for each class that diffusers imports.
logging.getLogger("transformers.utils.import_utils").addFilter(_is_news)
