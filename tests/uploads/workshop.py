"""Where uploads are made: FFmpeg for what an encoder can write, `surgery` for what none would."""

import functools
import pathlib
import subprocess

import av
import numpy as np

from uploads.kind import Kind

FRAMES = 24
"""Of the ordinary clip, at 25 a second, 64 x 48."""
NOISY = "testsrc2=s=64x48:r=25,noise=alls=40:allf=t:all_seed=1"
"""What it shows: something that moves, and noise, so that every packet has a few hundred bytes."""
BITS = ("-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1", "-map_metadata", "-1")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "8", "-pix_fmt", "yuv420p")
SOUND = ("-f", "lavfi", "-i", "sine=r=8000:d=1")


class Workshop:
    """Makes each file once, in a folder of its own below `root`."""

    def __init__(self, root: pathlib.Path, *, port: int = 9) -> None:
        self.root = root
        self.port = port
        """On this machine: what a file that wants to call home calls."""
        (root / ".parts").mkdir(parents=True, exist_ok=True)

    def file(self, kind: Kind) -> pathlib.Path:
        """The file of that kind."""
        folder = self.root / kind.slug
        path = folder / kind.file_name
        if not folder.exists():
            folder.mkdir()
            kind.make(self, path)
        return path

    @functools.cached_property
    def secret(self) -> pathlib.Path:
        """A video of this machine that no upload may show."""
        return self.encode(self.root / "secret.mp4", *H264, source="color=magenta:s=64x48:r=25")

    @functools.cached_property
    def plain(self) -> bytes:
        """An ordinary MP4 with the index in front, so that it can be cut anywhere."""
        return self.encode(self._part("plain.mp4"), *H264, "-movflags", "+faststart").read_bytes()

    @functools.cached_property
    def ending(self) -> bytes:
        """An ordinary MP4 with the index at its end, which may grow."""
        return self.encode(self._part("ending.mp4"), *H264).read_bytes()

    def like(self, suffix: str, *options: str) -> bytes:
        """The ordinary clip in another container."""
        return self.encode(self._part(f"like{suffix}"), *(options or H264)).read_bytes()

    def encode(
        self,
        path: pathlib.Path,
        *options: str,
        source: str = NOISY,
        frames: int = FRAMES,
        inputs: tuple[str, ...] = (),
    ) -> pathlib.Path:
        """`path`, after FFmpeg has written `frames` pictures of `source` (and the other inputs) to it."""
        given = ("-f", "lavfi", "-i", source) if source else ()
        count = ("-frames:v", str(frames)) if frames else ()
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *given, *inputs, *BITS, *count, *options, f"file:{path}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
        return path

    def timed(self, path: pathlib.Path, ticks: list[int], rate: int, **options: str) -> pathlib.Path:
        """A video whose frame i is shown at ticks[i] / rate seconds."""
        from fractions import Fraction

        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, rate)
            for i, tick in enumerate(ticks):
                picture = np.full((48, 64, 3), 20 + 4 * (i % 50), np.uint8)
                picture[: 1 + i % 48, : 1 + i % 64] = 250
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    def _part(self, name: str) -> pathlib.Path:
        return self.root / ".parts" / name
