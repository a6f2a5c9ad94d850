#!/usr/bin/env python3
"""A verifier of Indelible's evidence, written from docs/FORMAT.md alone.

    verify.py vault DIR    --key VKEY_OR_FILE [--key ...] [--head FILE]
    verify.py export FILE  --key VKEY_OR_FILE [--key ...] [--head FILE]
    verify.py receipt FILE --key VKEY_OR_FILE [--key ...] [--head FILE]

For tests, many in one process, a JSON value a line in and out:
    verify.py batch        arguments as above -> exit code and codes
    verify.py json         {"bytes": base64, "depth": n} -> canonical form, or code and offset
    verify.py ed25519      [key, message, signature], each hex -> by either rule, by its text and as verified

One finding a line: code, place, detail, divided by tabs. Exit codes: 0 all good, 1 tampering found,
2 could not check, 64 wrong use.
"""

import argparse
import base64
import json
import os
import sys

from ledgercheck import canonical, ed25519, export, receipt, vault
from ledgercheck.findings import EXIT_GOOD, EXIT_WRONG_USE, CouldNotCheck, Findings, Problem
from ledgercheck.note import NOTE_BYTES_MAX, Checkpoint, Trust, VKey, open_checkpoint

SOURCES = {"vault": vault.check, "export": export.check, "receipt": receipt.check}


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_WRONG_USE, f"{self.prog}: {message}\n")


def main():
    if sys.argv[1:] == ["json"]:
        return answer(canonical_form)
    if sys.argv[1:] == ["batch"]:
        return answer(verify_one)
    if sys.argv[1:] == ["ed25519"]:
        return answer(signature)
    findings = verify(sys.argv[1:])
    report(findings)
    return findings.exit_code()


def verify(words):
    """Findings for one command line."""
    parser = Arguments(prog="verify.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=SOURCES)
    parser.add_argument("path")
    parser.add_argument("--key", action="append", required=True)
    parser.add_argument("--head")
    arguments = parser.parse_args(words)
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
    return findings


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


def answer(question):
    for line in sys.stdin:
        print(json.dumps(question(json.loads(line))), flush=True)
    return EXIT_GOOD


def verify_one(words):
    findings = verify(words)
    return {"exit": findings.exit_code(), "codes": sorted(findings.codes), "findings": findings.list}


def canonical_form(question):
    data = base64.b64decode(question["bytes"])
    try:
        written = canonical.write(canonical.parse(data, question["depth"]))
    except canonical.JsonError as error:
        return {"code": error.code, "offset": error.offset}
    return {"canonical": base64.b64encode(written).decode(), "same": written == data}


def signature(question):
    key, message, sig = map(bytes.fromhex, question)
    strict = {"record": False, "strict": True}
    verified = {"record": ed25519.verify_record, "strict": ed25519.verify_strict}
    return {
        "usable": ed25519.usable_key(key),
        "by_the_text": {rule: ed25519.by_the_text(key, message, sig, value) for rule, value in strict.items()},
        "verified": {rule: verify(key, message, sig) for rule, verify in verified.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
