"""The report: one HTML file with every figure, interactive, that opens offline and can be mailed.

It holds what the page holds, drawn by the same script: the views' JSON, the scripts and styles, and plotly's library,
compressed (the browser unpacks it). Nothing is fetched; nothing is sent.
"""

import base64
import functools
import gzip
import html
import json
from collections.abc import Mapping
from typing import Any

from slap_core.stages import Analysis
from slap_core.views import browser
from slap_core.views.figures import build, plain

__all__ = ["report_html"]

_UNPACK = """
(async () => {
  const packed = document.getElementById("plotly").textContent;
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  const views = JSON.parse(document.getElementById("views").textContent);
  for (const view of views) {
    const host = document.getElementById(`view-${view.name}`);
    slap.render(host, view, host);
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => { document.body.classList.toggle("dark", dark.matches); slap.redraw(); };
  dark.addEventListener("change", paint);
  paint();
})();
"""

_STYLE = """
body { margin: 0; background: var(--slap-paper); color: var(--slap-ink); }
body { font-family: ui-sans-serif, system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-weight: 600; font-size: 1.6rem; }
main > section { margin-top: 2.5rem; }
pre { overflow-x: auto; font-size: .8rem; }
"""


@functools.cache
def _packed_library() -> str:
    return base64.b64encode(gzip.compress(browser.plotly_library().read_bytes(), 9, mtime=0)).decode("ascii")


def report_html(analysis: Analysis, numbers: Mapping[str, Any]) -> str:
    """The report as one HTML document.

    Args:
        analysis: what the main job found.
        numbers: settings, versions and results, as in summary.json; shown behind a fold.
    """
    views = build(analysis)
    title = html.escape(f"SLAP: {plain(analysis.decoded.clip.name)}")
    query = html.escape(plain(analysis.encoded.prompt)) or "none"
    content = ",".join(view.to_json() for view in views.values())
    places = "\n".join(f'<div id="view-{name}"></div>' for name in views)
    record = html.escape(json.dumps(numbers, indent=2))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{browser.style()}{_STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>Query: {query}. {len(analysis.decoded.kept)} of {len(analysis.decoded.clip)} frames were kept; the others were
recovered in the encoder's latent space.</p>
{places}
<section><details><summary>Settings, versions and all numbers</summary><pre>{record}</pre></details></section>
</main>
<script type="application/json" id="views">[{content}]</script>
<script type="text/plain" id="plotly">{_packed_library()}</script>
<script>{browser.script()}</script>
<script>{_UNPACK}</script>
</body>
</html>
"""
