"""HAL as Dwolla speaks it: links, embedding, the vendor media type. No list of our nouns."""

from tallystick.hal.link import Link, Links, resolve
from tallystick.hal.media import ERROR_CONTENT_TYPE, MEDIA_TYPE, RESOURCE_CONTENT_TYPE

__all__ = [
    "ERROR_CONTENT_TYPE",
    "MEDIA_TYPE",
    "RESOURCE_CONTENT_TYPE",
    "Link",
    "Links",
    "resolve",
]
