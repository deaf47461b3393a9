//! Stored values and keys as people have them at hand.

use wasm_bindgen::prelude::*;

/// A stored value, and how it was given.
#[wasm_bindgen]
pub struct Pasted(k8senc_recovery::Pasted);

#[wasm_bindgen]
impl Pasted {
    /// The value.
    pub fn stored(&self) -> Vec<u8> {
        self.0.stored.clone()
    }

    /// Name of the form.
    pub fn form(&self) -> String {
        self.0.form.name().to_owned()
    }

    /// Its etcd key, where that was given too.
    #[wasm_bindgen(js_name = etcdKey)]
    pub fn etcd_key(&self) -> Option<Vec<u8>> {
        self.0.etcd_key.clone()
    }

    /// The revision that wrote it, in decimal, where that was given too.
    #[wasm_bindgen(js_name = modRevision)]
    pub fn mod_revision(&self) -> Option<String> {
        self.0.mod_revision.map(|revision| revision.to_string())
    }
}

/// What a text holds.
#[wasm_bindgen]
pub struct PastedValues(Option<Vec<k8senc_recovery::Pasted>>);

#[wasm_bindgen]
impl PastedValues {
    /// Whether the text is of a known form.
    pub fn recognised(&self) -> bool {
        self.0.is_some()
    }

    /// The values; once.
    pub fn take(&mut self) -> Vec<Pasted> {
        let values = self.0.take().unwrap_or_default();
        values.into_iter().map(Pasted).collect()
    }
}

/// The stored values in what etcdctl, a tool that dumps bytes, or a clipboard gives.
#[wasm_bindgen(js_name = readPasted)]
pub fn read_pasted(data: Vec<u8>) -> PastedValues {
    PastedValues(k8senc_recovery::pasted(&data))
}

/// A key of 16, 24 or 32 bytes, raw or as base64 or hex.
#[wasm_bindgen(js_name = parseKey)]
pub fn parse_key(text: Vec<u8>) -> Option<Vec<u8>> {
    k8senc_recovery::parse_key(&text).map(|(key, _)| key.expose().to_vec())
}
