#!/usr/bin/env python3
"""A verifier of Indelible's evidence, written from docs/FORMAT.md alone.

    verify.py vault DIR    --key VKEY_OR_FILE [--key ...] [--head FILE]
    verify.py export FILE  --key VKEY_OR_FILE [--key ...] [--head FILE]
    verify.py receipt FILE --key VKEY_OR_FILE [--key ...] [--head FILE]
    verify.py json         canonical form of JSON lines from standard input, for tests

One finding a line: code, place, detail, divided by tabs. Exit codes: 0 all good, 1 tampering found,
2 could not check, 64 wrong use.
"""

import argparse
import base64
import json
import os
import sys

from ledgercheck import canonical, export, receipt, vault
from ledgercheck.findings import EXIT_GOOD, EXIT_WRONG_USE, CouldNotCheck, Findings, Problem
from ledgercheck.note import NOTE_BYTES_MAX, Checkpoint, Trust, VKey, open_checkpoint

SOURCES = {"vault": vault.check, "export": export.check, "receipt": receipt.check}


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_WRONG_USE, f"{self.prog}: {message}\n")


def main():
    parser = Arguments(prog="verify.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=[*SOURCES, "json"])
    parser.add_argument("path", nargs="?")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--head")
    arguments = parser.parse_args()
    if arguments.what == "json":
        return answer_json()
    if not arguments.path or not arguments.key:
        parser.error("a path and at least one --key are needed")
    try:
        trust = Trust([read_vkey(key) for key in arguments.key])
    except ValueError as error:
        parser.error(str(error))
    findings = Findings()
    try:
        head = read_head(arguments.head, trust) if arguments.head else None
        SOURCES[arguments.what](arguments.path, trust, head, findings)
    except Problem as problem:
        findings.add(problem.code, arguments.path, problem.detail)
    except (CouldNotCheck, OSError) as error:
        findings.could_not_check(str(error))
    report(findings)
    return findings.exit_code()


def read_vkey(key):
    if os.path.exists(key):
        with open(key, encoding="utf-8") as file:
            key = file.read(4096)
    return VKey(key)


def read_head(path, trust):
    """The expected head: a checkpoint that a key of the auditor signed."""
    with open(path, "rb") as file:
        data = file.read(NOTE_BYTES_MAX + 1)
    try:
        return open_checkpoint(data, Checkpoint(data).origin, trust)
    except ValueError as error:
        raise Problem("CHECKPOINT_INVALID", str(error)) from None


def report(findings):
    for code, where, detail in findings.list:
        print(f"{code}\t{where}\t{detail}")
    for text in findings.notes:
        print(f"note: {text}", file=sys.stderr)
    for text in findings.unchecked:
        print(f"could not check: {text}", file=sys.stderr)


def answer_json():
    """Each line {"bytes": base64, "depth": n} is answered by canonical bytes or a code."""
    for line in sys.stdin:
        question = json.loads(line)
        data = base64.b64decode(question["bytes"])
        try:
            written = canonical.write(canonical.parse(data, question["depth"]))
            answer = {"canonical": base64.b64encode(written).decode(), "same": written == data}
        except canonical.JsonError as error:
            answer = {"code": error.code, "offset": error.offset}
        print(json.dumps(answer))
    return EXIT_GOOD


if __name__ == "__main__":
    sys.exit(main())
