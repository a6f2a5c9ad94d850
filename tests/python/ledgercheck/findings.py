"""What the verifier has to say: findings with stable codes, and the exit code."""

EXIT_GOOD, EXIT_TAMPERED, EXIT_COULD_NOT, EXIT_WRONG_USE = 0, 1, 2, 64
FINDINGS_MAX = 1000


class Problem(Exception):
    """A finding on its way up."""

    def __init__(self, code, detail):
        super().__init__(detail)
        self.code, self.detail = code, detail


class CouldNotCheck(Exception):
    """Missing, unreadable: neither good nor tampered with."""


class Findings:
    def __init__(self):
        self.list, self.notes, self.unchecked, self.codes = [], [], [], set()

    def add(self, code, where, detail):
        self.codes.add(code)
        if len(self.list) < FINDINGS_MAX:
            self.list.append((code, where, detail))

    def note(self, text):
        """Something to know that is not tampering."""
        self.notes.append(text)

    def could_not_check(self, text):
        """Something about which nothing can be said: then the whole is not good either."""
        self.unchecked.append(text)

    def exit_code(self):
        if self.codes:
            return EXIT_TAMPERED
        return EXIT_COULD_NOT if self.unchecked else EXIT_GOOD
