"""The tunnel test: what does a method believe is behind the tunnel? python -m slap_core.benchmarks.tunnel --out DIR.

Files, in the order of the ideas: `cases` (what is asked), `methods` (the rows), `beliefs` (what a latent says),
`scores` (metrics of each case, and their means with intervals), `settings_search` (lambda, on validation scenes),
`conditions` (generalisation), `decisive` (the decisive experiment), `sweep` (over lambda), `tables` (what is written).
"""
