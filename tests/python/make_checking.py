#!/usr/bin/env python3
"""Makes the golden cases of section 8 in tests/vectors/checking, from docs/FORMAT.md alone.

What is expected of each case stands beside it, written by hand and not asked of a verifier. Run with the interpreter
that `setup` names; the files must come out unchanged, which a test sees to. --out FOLDER writes them elsewhere.
"""

import argparse
from pathlib import Path

from forge import exports, heads, receipts, vaults
from forge.cases import Cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "vectors" / "checking")
    cases = Cases(parser.parse_args().out)
    for part in (exports, receipts, vaults, heads):
        part.add(cases)
    cases.write()
    print(f"{len(cases.list)} cases")


if __name__ == "__main__":
    main()
