"""Many videos, each analysed as by `analysis.analyse`, a row of a table each.

    python -m slap_core.batch --videos "clips/**/*.mp4" --query "a red car" --out runs/many

    settings    what can be chosen, of the analysis and of the batch
    analyst     the process that analyses: it has the encoder, and may be killed
    worker      the side of whoever waits for it, with a clock
    cluster     several of these on Ray; the only user of Ray
    parts       rows as parquet, and by what they are known; the only user of pyarrow
    __main__    the command: which videos are left to do, and the table in the end

A row is written as soon as it is known, as a part of its own, so that whatever is killed costs no more than what was
being analysed. A part is known by the content of its video and by the settings: what is there is not done again.
"""
