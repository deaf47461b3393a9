//! Values as people paste them.

use k8senc_recovery::{Form, pasted, pasted_as};

const FORMS: [Form; 8] = [
    Form::Raw,
    Form::Hex,
    Form::Hexdump,
    Form::Base64,
    Form::EtcdctlJson,
    Form::EtcdctlFields,
    Form::EtcdctlHex,
    Form::Etcdctl,
];

/// What is recognised is also read when its form is named; hex and base64 of what came out are read back.
pub fn pasted_value(data: &[u8]) {
    for found in pasted(data).unwrap_or_default() {
        // What etcdctl printed may have been dumped.
        let named = [found.form, Form::Hexdump];
        let mut again = named.into_iter().filter_map(|form| pasted_as(data, form));
        assert!(again.any(|again| again.contains(&found)), "{found:?}");
        let hex: String = found.stored.iter().map(|b| format!("{b:02x}")).collect();
        if !hex.is_empty() {
            let back = pasted_as(hex.as_bytes(), Form::Hex).unwrap_or_default();
            assert!(back.iter().any(|it| it.stored == found.stored), "{found:?}");
        }
    }
    for form in FORMS {
        let _ = pasted_as(data, form);
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let recorded: serde_json::Value =
        serde_json::from_slice(&k8senc_vectors::file("pastes/pastes.json")).unwrap_or_default();
    let cases = recorded.get("cases").and_then(|cases| cases.as_array());
    let printed = cases
        .into_iter()
        .flatten()
        .filter_map(|case| case.get("printed")?.as_str());
    // The seeds are base64 themselves: read by the reader, which is a test of its own.
    printed
        .filter_map(|text| pasted_as(text.as_bytes(), Form::Base64))
        .flatten()
        .map(|found| found.stored)
        .collect()
}
