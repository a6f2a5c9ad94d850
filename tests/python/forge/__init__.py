"""Makes evidence, good and bad, from docs/FORMAT.md alone: it shares no code with either verifier.

`make` signs, hashes and packs; `ledger` builds ledgers, exports, receipts and vaults out of that; `cases` collects
what is said of them; the modules beside it (`exports`, `receipts`, `vaults`, `heads`) hold the cases themselves.
"""
