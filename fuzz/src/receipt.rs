//! A receipt has one form, keeps its record's bytes, and is not believed without a key.

use indelible_core::key::Trust;
use indelible_core::receipt::Receipt;

/// One run.
pub fn run(data: &[u8]) {
    let Ok(receipt) = Receipt::parse(data) else { return };
    assert_eq!(receipt.to_json(), data, "written otherwise");
    assert!(receipt.verify(&Trust::default()).is_err(), "believed without a key");
}
