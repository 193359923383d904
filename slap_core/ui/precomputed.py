"""The example that the page shows before anything has been run: the views of the bundled clip that says so, computed
once.

    python -m slap_core.ui.precomputed

writes them, as the page would draw them, into one compressed file beside the clips. It is made anew whenever a figure
or a shipped network changes, which a test asks for.
"""

import gzip
import json
import pathlib

__all__ = ["SAMPLE", "main"]

ASSETS = pathlib.Path(__file__).resolve().parents[2] / "assets"
SAMPLE = ASSETS / "sample.json.gz"


def main() -> None:
    """The command line."""
    from slap_core.analysis import analyse  # late: the page knows where the file is before torch is imported
    from slap_core.views.figures import build

    clips = json.loads((ASSETS / "clips" / "clips.json").read_text("utf-8"))
    clip = next(clip for clip in clips if clip.get("shown_first"))
    found = analyse(ASSETS / "clips" / clip["file"], clip["query"], keep_every=clip["keep_every"])
    views = ",".join(view.to_json() for view in build(found).values())
    text = f'{{"title":{json.dumps(clip["title"])},"views":[{views}]}}'
    SAMPLE.write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))
    print(f"{SAMPLE.name}: {SAMPLE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
