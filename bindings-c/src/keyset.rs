//! Keysets: one seed that several KEKs can open, side by side, in one stored record. `docs/keyset.md` has layout and rules.

use k8senc::kms::keyset::SetKey;
use k8senc::secret::SecretBytes;

use crate::fault::Fault;

mod kek;
mod members;
mod record;
mod set;

fn set_key(bytes: &[u8]) -> Result<Option<SetKey>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(SetKey::new(SecretBytes::from_slice(bytes))?))
}
