"""A second verifier, written from docs/FORMAT.md alone; it shares no code with the Rust one.

Each module is a section of that page: `canonical` is 1, `names` 2, `record` 3 and 4, `ed25519` and `keys` 5,
`note` and `tree` 6, `line` 7.1, `manifest` 7.3 and 7.4, `frames` the packing of 7.2 and 8.4; then `report` 8.1,
`lines` 8.2, `vault`, `place` and `segment` 8.3, `export` 8.4, `receipt` 8.5 and `heads` 8.6.
"""
