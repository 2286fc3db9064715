//! What was written by who has a secret, told from what anybody could have written: sessions and forms of the page, and what somebody has
//! confirmed of a restore.

use std::fmt::{self, Debug};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tempfile::NamedTempFile;

use crate::cache::private_folder;
use crate::folder::{self, FolderError, SizeLimit};
use crate::names::hex;

/// The file in a folder of the user's own.
const FILE: &str = "secret";
/// What a secret is made from a token for.
const OF_TOKEN: &str = "the secret of a Gaebar that has this token";

/// Bytes that nobody else knows. Whoever has the same ones seals alike: another instance of an application, and the next process.
#[derive(Clone)]
pub struct Secret(Option<[u8; 32]>);

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// These bytes, which must be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Some(bytes))
    }

    /// One that ends with this process. Where the system has no random numbers, nothing is sealed with it.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        Self(getrandom::fill(&mut bytes).is_ok().then_some(bytes))
    }

    /// The one that a folder of the user's own keeps in its file `secret`, for the user alone to read. It is made if there is none.
    pub fn kept_in(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join(FILE);
        if !path.exists() {
            let folder = private_folder(folder)?;
            let Self(Some(bytes)) = Self::random() else {
                return Err(FolderError::at("make", &path)(io::Error::other("the system has no random numbers")));
            };
            // Of several processes, the first makes it.
            let made = NamedTempFile::new_in(&folder).and_then(|mut new| {
                new.write_all(&bytes)?;
                new.as_file().sync_all()?;
                match new.persist_noclobber(&path) {
                    Err(other) if other.error.kind() != ErrorKind::AlreadyExists => Err(other.error),
                    _ => Ok(()),
                }
            });
            made.map_err(FolderError::at("write", &path))?;
        }
        let bytes = folder::read_regular(&path, SizeLimit::NOTE)?.unwrap_or_default();
        let bytes = bytes.try_into().map_err(|_| io::Error::other("it is no secret of Gaebar's; remove it, and another is made"));
        bytes.map(Self::new).map_err(FolderError::at("use", &path))
    }

    /// One that whoever has a token can make. What is sealed with it lets them try guesses at the token, so strangers are told none of it.
    pub(crate) fn of_token(token: &str) -> Self {
        Self(mac(token.as_bytes(), OF_TOKEN, &[]))
    }

    /// What shows that bytes were written for this purpose by who has the secret.
    pub(crate) fn seal(&self, purpose: &str, bytes: &[u8]) -> Option<String> {
        mac(&self.0?, purpose, bytes).map(|seal| hex(&seal))
    }

    /// Whether bytes were sealed so.
    pub(crate) fn has_sealed(&self, purpose: &str, bytes: &[u8], seal: &str) -> bool {
        self.seal(purpose, bytes).is_some_and(|right| right.as_bytes().ct_eq(seal.as_bytes()).into())
    }
}

fn mac(key: &[u8], purpose: &str, bytes: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(purpose.as_bytes());
    // No purpose has it, so none is the beginning of another.
    mac.update(&[0]);
    mac.update(bytes);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_for_one_secret_one_purpose_and_these_bytes() {
        let secret = Secret::new([7; 32]);
        let seal = secret.seal("form", b"id").unwrap();
        assert!(Secret::new([7; 32]).has_sealed("form", b"id", &seal));
        for (secret, purpose, bytes) in
            [(Secret::new([8; 32]), "form", b"id"), (secret.clone(), "session", b"id"), (secret.clone(), "form", b"ID")]
        {
            assert!(!secret.has_sealed(purpose, bytes, &seal));
        }
        assert!(!secret.has_sealed("form", b"id", "") && !Secret(None).has_sealed("form", b"id", ""));
        assert!(!format!("{secret:?}").contains('7'));
    }

    #[test]
    fn a_kept_secret_is_made_once_and_its_users_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("cache");
        let first = Secret::kept_in(&folder).unwrap();
        assert_eq!(first.0, Secret::kept_in(&folder).unwrap().0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(folder.join(FILE).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(folder.join(FILE), "short").unwrap();
        let error = Secret::kept_in(&folder).unwrap_err().to_string();
        assert!(error.contains("remove it"), "{error}");
    }
}
