//! Numbers in place of names.

use std::collections::HashMap;

use k8s_object::EtcdName;

use super::Example;

#[derive(Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    pub(crate) fn hide(&mut self, examples: &mut [Example]) {
        for example in examples {
            let number = self.0.len() + 1;
            let shown = self.0.entry(example.etcd_key.clone()).or_insert_with(|| {
                let name = EtcdName::from_etcd_key(example.etcd_key.as_bytes(), None);
                let resource = name
                    .filter(|n| n.has_api)
                    .map_or_else(|| "key".to_owned(), |n| n.to_string());
                format!("{resource} #{number}")
            });
            example.etcd_key.clone_from(shown);
        }
    }
}
