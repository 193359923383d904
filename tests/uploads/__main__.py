"""python -m uploads [--out DIR], in tests/."""

import argparse
import pathlib

from uploads import KINDS, Workshop, table

parser = argparse.ArgumentParser(description="What a person sees of hostile and odd videos.")
parser.add_argument("--out", type=pathlib.Path, help="write the files there")
options = parser.parse_args()
print(table(), end="")
if options.out:
    workshop = Workshop(options.out)
    for kind in KINDS:
        workshop.file(kind)
