#!/usr/bin/env python3
"""A verifier of Indelible's evidence, written from docs/FORMAT.md alone.

    verify.py vault DIR    --key VKEY_OR_FILE [--key ...] [--head FILE ...] [--ledger NAME ...] [--json]
    verify.py export FILE  --key VKEY_OR_FILE [--key ...] [--head FILE ...] [--ledger NAME ...] [--json]
    verify.py receipt FILE --key VKEY_OR_FILE [--key ...] [--head FILE ...] [--ledger NAME ...] [--json]

Records signed with hmac-sha256 are checked with the secret: --hmac-key FILE.

For tests, many in one process, a JSON value a line in and out:
    verify.py batch        arguments as above -> the report as JSON
    verify.py json         {"bytes": base64, "depth": n} -> canonical form, or code and offset
    verify.py ed25519      [key, message, signature], each hex -> by either rule, by its text and as verified

One finding a line: code, class, ledger, first and last record, what; divided by tabs. Exit codes: 0 all good,
1 tampered or damaged, 2 behind or not checked, 64 wrong use.
"""

import argparse
import base64
import json
import os
import sys

from ledgercheck import canonical, ed25519, export, heads, receipt, vault
from ledgercheck.keys import KEY_FILE_BYTES_MAX, SECRET_FILE_BYTES_MAX, Secret, Trust, read_keys
from ledgercheck.names import is_ledger
from ledgercheck.report import EXIT_WRONG_USE, Report

SOURCES = {"vault": vault.check, "export": export.check, "receipt": receipt.check}


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_WRONG_USE, f"{self.prog}: {message}\n")


def main():
    questions = {"json": canonical_form, "batch": verify_one, "ed25519": signature}
    if len(sys.argv) == 2 and sys.argv[1] in questions:
        return answer(questions[sys.argv[1]])
    report, as_json = verify(sys.argv[1:])
    if as_json:
        print(json.dumps(report.to_json(), indent=2, sort_keys=True))
    else:
        show(report)
    return report.exit_code()


def verify(words):
    """The report on one command line, and whether it is wanted as JSON."""
    parser = Arguments(prog="verify.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=SOURCES)
    parser.add_argument("path")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("--hmac-key", action="append", default=[])
    parser.add_argument("--head", action="append", default=[])
    parser.add_argument("--ledger", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    if not all(map(is_ledger, arguments.ledger)):
        parser.error("--ledger is no name of a ledger")
    try:
        vkeys = [vkey for key in arguments.key for vkey in read_key(key)]
        trust = Trust(vkeys + [read_secret(path) for path in arguments.hmac_key])
        if not trust.given:
            raise ValueError("neither --key nor --hmac-key is given")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    report = Report(f"{arguments.what} {arguments.path}", arguments.ledger)
    opened = heads.read_heads(arguments.head, trust, report)
    SOURCES[arguments.what](arguments.path, trust, opened, report)
    return report, arguments.json


def read_key(key):
    if not os.path.exists(key):
        return read_keys(key)
    with open(key, encoding="utf-8", newline="") as file:
        text = file.read(KEY_FILE_BYTES_MAX + 1)
    if len(text) > KEY_FILE_BYTES_MAX:
        raise ValueError(f"{key}: larger than a key file can be ({KEY_FILE_BYTES_MAX} bytes)")
    return read_keys(text)


def read_secret(path):
    with open(path, encoding="utf-8", newline="") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise ValueError(f"{path}: others may read or change it")
        text = file.read(SECRET_FILE_BYTES_MAX + 1)
    if len(text) > SECRET_FILE_BYTES_MAX:
        raise ValueError(f"{path}: larger than the file of a secret can be ({SECRET_FILE_BYTES_MAX} bytes)")
    return Secret(text)


def show(report):
    for code, kind, ledger, first, last, message in report.findings:
        print(code, kind, ledger or "-", first if first is not None else "-", last if last is not None else "-", message, sep="\t")
    for one in report.unchecked:
        print(f"not checked: {one.code}: {one.what}: {one.why}", file=sys.stderr)
    for text in report.notes:
        print(f"note: {text}", file=sys.stderr)
    print(report.verdict(), file=sys.stderr)


def answer(question):
    for line in sys.stdin:
        print(json.dumps(question(json.loads(line))), flush=True)
    return 0


def verify_one(words):
    try:
        return verify(words)[0].to_json()
    except SystemExit as wrong:
        return {"exit_code": wrong.code, "verdict": None, "findings": [], "unchecked": []}


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
