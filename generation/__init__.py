"""Pictures: from a planned shot to a scored take. No storage, no HTTP."""

import logging

_AS_MEANT = {
    # Pictures are prepared by Pillow; said for each class that diffusers imports.
    "transformers.utils.import_utils": "requires torchvision (not installed)",
    # The starter's small autoencoder, and how it tells its scale.
    "diffusers.pipelines.pipeline_utils": "got <class 'diffusers.models.autoencoders.autoencoder_tiny",
    "diffusers.configuration_utils": "{'block_out_channels'",
    # Of a UNet that has no such modules.
    "diffusers.models.modeling_utils": "should be kept in float32: []",
}
"""Logger of a library to what it warns of although it is meant so."""


def _is_news(record: logging.LogRecord) -> bool:
    return _AS_MEANT[record.name] not in record.getMessage()


for _name in _AS_MEANT:
    logging.getLogger(_name).addFilter(_is_news)
