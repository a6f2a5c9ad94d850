"""What is said of evidence: the index of golden cases."""

import hashlib
import json
import shutil

from .make import OURS

T, D, BEHIND = "tampering", "damage", "behind"
VERDICTS = ((T, "tampered", 1), (D, "damaged", 1), (BEHIND, "behind", 2))
VAULT, EXPORT, RECEIPT = "vault", "export", "receipt"


def find(code, kind=D, first=None, last=None, ledger="orders"):
    return [code, kind, ledger, first, first if last is None else last]


class Cases:
    def __init__(self, folder):
        self.folder, self.list, self.names = folder, [], set()
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)

    def add(self, kind, name, evidence, *findings, unchecked=(), keys=(OURS.vkey(),), secrets=(), heads=(), ledgers=(), links=(), folders=(),
            places=True, expected=True):
        """`evidence` is the bytes of a file, or the files of a vault by their paths; None is no file at all.

        Without `places` only the codes of findings are compared, as a report lists no more than 2,000 findings.
        Without `expected` nothing is known of the answer but that both verifiers must give the same.
        """
        name = f"{kind}: {name}"
        assert name not in self.names, name
        self.names.add(name)
        files = evidence if isinstance(evidence, dict) else {"": evidence}
        verdict, code = self.verdict(findings, unchecked)
        case = {
            "name": name,
            "kind": kind,
            "files": {path: self.file(data) for path, data in sorted(files.items()) if data is not None},
            "folders": list(folders),
            "links": dict(links),
            "keys": list(keys),
            "secrets": list(secrets),
            "heads": [self.file(head) for head in heads],
            "ledgers": list(ledgers),
            "without_places": [] if places else True,
        }
        said = {
            "verdict": verdict,
            "exit_code": code,
            "findings": sorted(findings, key=lambda finding: [str(part) for part in finding]),
            "unchecked": sorted(set(unchecked)),
        }
        case |= said if expected else {}
        # What is empty is left out.
        self.list.append({member: value for member, value in case.items() if value not in ([], {})})

    def verdict(self, findings, unchecked):
        for kind, verdict, code in VERDICTS:
            if any(finding[1] == kind for finding in findings):
                return verdict, code
        return ("unchecked", 2) if unchecked else ("good", 0)

    def file(self, data):
        """The name under which bytes are kept, once however often they occur. Null is a file that is not there."""
        if data is None:
            return None
        data = data.encode() if isinstance(data, str) else data
        name = hashlib.sha256(data).hexdigest()[:16]
        (self.folder / "files" / name).write_bytes(data)
        return name

    def write(self):
        lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in self.list)
        (self.folder / "index.json").write_text('{"cases": [\n' + lines + "\n]}\n")
