"""What a visitor may upload, and how long it is kept: told where it is asked for, and kept by the server."""

from typing import Final

__all__ = ["CACHE_MEGABYTES", "CHECK_SECONDS", "KEEP_SECONDS", "PRIVACY", "UPLOAD_MEGABYTES"]

UPLOAD_MEGABYTES: Final = 100
CACHE_MEGABYTES: Final = 4000
"""What all visitors' files may take together."""
CHECK_SECONDS: Final = 300
"""So often the server looks for files that are too old ..."""
KEEP_SECONDS: Final = 1800
"""... and deletes those that are older than this."""

PRIVACY: Final = (
    "Your video is processed by the machine that serves this page, is seen by no other visitor, and is deleted within "
    f"{(KEEP_SECONDS + CHECK_SECONDS) / 60:.0f} minutes."
)
