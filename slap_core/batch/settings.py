"""What can be chosen for a batch: all settings of the analysis, and how it is run."""

import dataclasses
import pathlib

from slap_core.stages import Settings

__all__ = ["BatchSettings"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchSettings(Settings):
    """Which videos, and how they are analysed.

    Raises:
        ValueError: for a value out of range, naming the range.
    """

    videos: tuple[str, ...]
    """Paths with wildcards, ** for folders in folders; in quotes, or the shell writes them out."""
    out: pathlib.Path
    """Folder of the results: summary.parquet, and one file for each video in parts."""
    query: str = ""
    """What to look for, in words; empty for no pull."""
    limit_seconds: float = 600.0
    """Wall time of one video, after which it is given up and recorded as failed."""
    retry: bool = False
    """Whether videos that failed before are tried again."""
    ray_address: str | None = None
    """Of a Ray cluster: auto, or host:port; by default one is started on this machine, if Ray is installed."""
    workers: int = 0
    """How many videos at once on this machine; 0: as many as there are CPU cores for. 1 needs no Ray."""
    threads: int = 1
    """CPU threads for each video."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.limit_seconds > 0:
            raise ValueError(f"limit_seconds must be above 0, got {self.limit_seconds}.")
        if self.workers < 0:
            raise ValueError(f"workers must not be negative, got {self.workers}.")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}.")

    def analysis(self) -> Settings:
        """The settings of each analysis."""
        return Settings(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Settings)})
