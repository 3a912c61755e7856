//! Passwords as they are kept: hashed with Argon2id, each with a salt of its own.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// Stands where there is no account, so that a name nobody has takes as long to refuse as a wrong password.
pub(super) const HASH_OF_NOTHING: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gYWNjb3VudCBoZXJl$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a password, `$argon2id$v=19$…`: it says how it was made, so that the cost can be raised later.
pub(super) fn hash(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

/// Whether `hash` was made of this password.
pub(super) fn matches(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}
