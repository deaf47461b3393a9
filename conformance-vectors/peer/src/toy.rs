//! The toy KMS plugin that both sides play, so that no answer has to travel.

use k8senc::{kms::DekRequest, secret::SecretBytes};

/// `kek:` and every byte of the DEK XOR 0x5a; `kel:`, a 2-byte length, as many such bytes and a filler; `no:` is refused with
/// the rest in hex; anything else is refused.
pub fn decrypt(request: &DekRequest) -> Result<SecretBytes, String> {
    let unmask = |bytes: &[u8]| SecretBytes::new(bytes.iter().map(|b| b ^ 0x5a).collect());
    if let Some(rest) = request.ciphertext.strip_prefix(b"kek:") {
        return Ok(unmask(rest));
    }
    let long = request.ciphertext.strip_prefix(b"kel:");
    if let Some(dek) = long.and_then(|rest| {
        let (length, rest) = rest.split_first_chunk()?;
        rest.get(..usize::from(u16::from_be_bytes(*length)))
    }) {
        return Ok(unmask(dek));
    }
    let Some(rest) = request.ciphertext.strip_prefix(b"no:") else {
        return Err("toy: not my ciphertext".to_owned());
    };
    let hex: String = rest.iter().map(|b| format!("{b:02x}")).collect();
    Err(format!("toy: refused {hex}"))
}
