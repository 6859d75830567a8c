//! What identifies a request in a batch, and the idempotency key that is derived from it.

use std::fmt;
use std::str::FromStr;

use crate::digest::digest;
use crate::request::OperationInput;

/// Identifies a request within its batch: the first half of a SHA-256 of the operation, both ids and the e-mail. Requests with
/// the same identity are the same request; key, timeout and retries are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId([u8; 16]);

impl RequestId {
    pub(crate) fn of(input: &OperationInput) -> Self {
        RequestId(hash("celper batch request", &[], input))
    }
}

/// The idempotency key of an action: a UUID of version 8, derived from the batch and the request. `generation` counts how often
/// the request had to be tried again under a new key.
pub(crate) fn derive_key(batch_id: &str, generation: u32, input: &OperationInput) -> String {
    let bytes = hash("celper batch key", &[batch_id.as_bytes(), &generation.to_be_bytes()], input);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn hash(purpose: &str, context: &[&[u8]], input: &OperationInput) -> [u8; 16] {
    let request = [
        Some(input.operation.name().as_bytes()),
        Some(input.candidate_id.as_bytes()),
        Some(input.job_position_id.as_bytes()),
        input.email_subject.as_deref().map(str::as_bytes),
        input.email_body.as_deref().map(str::as_bytes),
    ];
    digest([Some(purpose.as_bytes())].into_iter().chain(context.iter().map(|bytes| Some(*bytes))).chain(request))
}

/// 32 hexadecimal digits.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for RequestId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u128::from_str_radix(text, 16).ok().filter(|_| valid);
        value.map(|value| RequestId(value.to_be_bytes())).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    fn invite() -> OperationInput {
        OperationInput::new(Operation::Invite, "cand_1", "pos_1")
    }

    #[test]
    fn a_key_is_stable_and_differs_with_everything_that_it_is_derived_from() {
        // Pinned: another value would act again on everybody in a batch that is resumed with a newer version.
        assert_eq!(derive_key("spring", 0, &invite()), PINNED);
        let with = |change: fn(&mut OperationInput)| {
            let mut input = invite();
            change(&mut input);
            derive_key("spring", 0, &input)
        };
        let keys = [
            derive_key("spring", 0, &invite()),
            derive_key("autumn", 0, &invite()),
            derive_key("spring", 1, &invite()),
            with(|input| input.operation = Operation::Select),
            with(|input| input.candidate_id = "cand_2".to_owned()),
            with(|input| input.job_position_id = "pos_2".to_owned()),
            with(|input| (input.candidate_id, input.job_position_id) = ("cand_1p".to_owned(), "os_1".to_owned())),
            with(|input| input.email_subject = Some(String::new())),
            with(|input| input.email_body = Some(String::new())),
        ];
        for (nth, key) in keys.iter().enumerate() {
            assert!(!keys[nth + 1..].contains(key), "{nth}");
            assert!(key.len() == 36 && key.as_bytes()[14] == b'8', "{key}");
        }
        assert_eq!(with(|input| input.max_retries = Some(7)), keys[0]);
    }

    const PINNED: &str = "461727d7-99f8-8e1f-9796-81a6bc40ff49";

    #[test]
    fn a_request_id_is_read_as_it_is_written() {
        let id = RequestId::of(&invite());
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "+0000000000000000000000000000000", "zz", &id.to_string()[1..]] {
            assert_eq!(wrong.parse::<RequestId>(), Err(()), "{wrong}");
        }
    }
}
