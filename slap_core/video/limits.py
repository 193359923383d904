"""What one video may cost. Anybody may upload anything, so every number here is enforced, none is a hint."""

MAX_FILE_BYTES = 2 * 1024**3
MAX_FRAME_PIXELS = 36_000_000
"""Width x height of one picture: 8K passes, 16K does not."""
MAX_PACKETS = 500_000
MAX_DURATION_SECONDS = 4 * 3600.0
MAX_OUTPUT_BYTES = 1024**3
"""All decoded frames together, as uint8 RGB."""
MAX_SIDE = 8192
"""Largest side, in pixels, that a caller may ask for."""

WALL_SECONDS = 20.0
"""Wall time for any video ..."""
WALL_PER_SECOND = 0.5
"""... and this much more for each second that the clip lasts ..."""
MAX_WALL_SECONDS = 300.0
"""... but never more than this."""

ADDRESS_SPACE_BYTES = 3 * 1024**3
CPU_SECONDS = 1200
"""Ends a decoder whose parent is gone."""
OPEN_FILES = 64
DECODING_THREADS = 4
