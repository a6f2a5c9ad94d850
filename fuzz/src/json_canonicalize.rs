//! What the writer writes is UTF-8, canonical, and means the same to every reader of it.

use indelible_core::json::{
    CanonicalObject, Limits, Numbers, Value, canonicalize, canonicalize_array, check_canonical,
};

/// One run.
pub fn run(data: &[u8]) {
    let limits = Limits::DOCUMENT;
    let object = CanonicalObject::parse(data, limits);
    let array = canonicalize_array(data, limits, 64, Numbers::Exact);
    let Ok(written) = canonicalize(data, limits) else {
        assert!(object.is_err(), "an object that is no value");
        assert!(Value::parse(data, limits).is_err(), "a tree from what was refused");
        return;
    };
    assert!(core::str::from_utf8(&written).is_ok());
    assert_eq!(canonicalize(&written, limits).as_ref(), Ok(&written), "not a fixed point");
    let members = check_canonical(&written, limits).expect("its own form is refused");
    assert_eq!(Value::parse(data, limits), Value::parse_canonical(&written, limits));
    match object {
        Ok(object) => {
            assert_eq!(object.bytes(), written);
            assert!(object.members().eq(members.iter()), "members differ");
        }
        Err(_) => assert!(!members.is_object(), "an object was refused as one"),
    }
    if let Ok(objects) = array {
        let joined: Vec<_> = objects.iter().map(|object| object.bytes()).collect();
        assert_eq!([&b"["[..], &joined.join(&b","[..]), b"]"].concat(), written);
    }
}
