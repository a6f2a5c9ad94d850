#!/usr/bin/env python3
"""Makes the golden cases of section 8 in tests/vectors/checking, from docs/FORMAT.md alone.

What is expected of each case stands beside it, written by hand and not asked of a verifier. Run with the interpreter
that `setup` names; the files must come out unchanged, which a test sees to.

    make_checking.py                                 the golden cases
    make_checking.py --out FOLDER                    the same, elsewhere
    make_checking.py --large --out FOLDER            cases that are too large to be kept
    make_checking.py --mutants COUNT [--seed N] --out FOLDER
                                                     evidence changed at random, without anything expected
"""

import argparse
from pathlib import Path

from forge import exports, heads, large, mutants, receipts, signatures, vaults
from forge.cases import Cases

GOLDEN = Path(__file__).resolve().parent.parent / "vectors" / "checking"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--mutants", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if (arguments.large or arguments.mutants) and not arguments.out:
        parser.error("only the golden cases are kept in the repository: say --out")
    cases = Cases(arguments.out or GOLDEN)
    if arguments.large:
        large.add(cases)
    elif arguments.mutants:
        mutants.add(cases, arguments.seed, arguments.mutants)
    else:
        for part in (exports, receipts, vaults, heads, signatures):
            part.add(cases)
    cases.write()
    print(f"{len(cases.list)} cases")


if __name__ == "__main__":
    main()
