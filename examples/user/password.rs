//! Stored passwords: hashed with Argon2id, each with its own salt.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// The hash that is checked for unknown names, so that refusing an unknown name takes as long as refusing a wrong password.
pub(super) const HASH_OF_NOTHING: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gYWNjb3VudCBoZXJl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Returns the stored form of a password, `$argon2id$v=19$…`. It contains the parameters, so that the cost can be raised
/// later.
pub(super) fn hash(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

/// Whether `hash` is a hash of this password.
pub(super) fn matches(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}
