"""A second verifier, written from docs/FORMAT.md alone; it shares no code with the Rust one.

Read top-down: `vault`, `export` and `receipt` find the evidence, `replay` walks records in order, and
`record`, `manifest`, `note`, `tree`, `ed25519` and `canonical` each know one section of the format.
"""
