//! What an answer is called in the log of the server.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderValue;

/// The longest name that a sender may give to a request.
const LEN_MAX: usize = 128;

/// The name of a request, as the header that its answer shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// What is asked before there are any names.
    pub(crate) const STARTING: Self = Self(HeaderValue::from_static("starting"));

    /// The name that its sender gives, where that is fit to be logged.
    pub(crate) fn given(value: &HeaderValue) -> Option<Self> {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(byte);
        let bytes = value.as_bytes();
        let is_fit = (1..=LEN_MAX).contains(&bytes.len()) && bytes.iter().all(fits);
        is_fit.then(|| Self(value.clone()))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("a name is of letters, digits and signs")
    }

    /// The header.
    pub(crate) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl core::fmt::Display for RequestId {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Names for requests whose senders give none: no two are alike, of this process or another.
pub(crate) struct RequestIds {
    origin: u64,
    count: AtomicU64,
}

impl RequestIds {
    /// All of them begin with this.
    pub(crate) fn new(origin: u64) -> Self {
        Self { origin, count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut text = [b'-'; 33];
        put_hex(&mut text[..16], self.origin);
        let digits = (16 - count.leading_zeros() as usize / 4).max(1);
        put_hex(&mut text[17..17 + digits], count);
        let value = HeaderValue::from_bytes(&text[..17 + digits]);
        RequestId(value.expect("digits are a header's value"))
    }
}

/// The last digits of a number, as many as there are places.
fn put_hex(places: &mut [u8], mut number: u64) {
    for place in places.iter_mut().rev() {
        *place = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_origin_and_a_count() {
        let ids = RequestIds::new(0x5eaf_00d5);
        let names: Vec<String> = (0..18).map(|_| ids.next().to_string()).collect();
        let wanted: Vec<String> =
            (0..18).map(|count| format!("000000005eaf00d5-{count:x}")).collect();
        assert_eq!(names, wanted);
        let last = RequestIds { origin: 1, count: AtomicU64::new(u64::MAX) };
        assert_eq!(last.next().to_string(), format!("{:016x}-{:x}", 1, u64::MAX));
    }

    #[test]
    fn a_name_that_is_not_fit_to_be_logged_is_none() {
        for (value, is_fit) in
            [("a-1", true), ("", false), ("a b", false), ("\"", false), ("a\tb", false)]
        {
            let value = HeaderValue::from_str(value).expect("a header's value");
            assert_eq!(RequestId::given(&value).is_some(), is_fit, "{value:?}");
        }
        let long = HeaderValue::from_str(&"x".repeat(129)).expect("a header's value");
        assert_eq!(RequestId::given(&long), None);
    }
}
