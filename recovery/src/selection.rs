//! Which values are wanted.

use k8s_object::EtcdName;
use k8senc_config::{GroupResource, Version, resources};

/// Which live values of a snapshot are recovered; what is `None` is not asked.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// As [`Selection::resource_named`] reads it.
    pub resource: Option<Resource>,
    /// The namespace.
    pub namespace: Option<Vec<u8>>,
    /// The object's name.
    pub name: Option<Vec<u8>>,
    /// The whole etcd key; finds also what is no Kubernetes object.
    pub etcd_key: Option<Vec<u8>>,
    /// The state at this revision instead of the newest; it must not be compacted.
    pub revision: Option<i64>,
}

/// A resource by name, with its group where one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    resource: String,
    group: Option<String>,
}

impl Selection {
    /// A resource as people write it: `secrets`, `Secret`, `cm`, `deployments.apps`, `widgets.example.com`.
    #[must_use]
    pub fn resource_named(text: &str) -> Resource {
        let (head, group) = text
            .split_once('.')
            .map_or((text, None), |(head, group)| (head, Some(group)));
        let lower = head.to_lowercase();
        let known = resources(Version::LATEST).find(|r| {
            let named = r.resource == lower
                || r.kind.eq_ignore_ascii_case(head)
                || r.short_names.contains(&lower.as_str());
            named && group.is_none_or(|group| group == r.group)
        });
        let GroupResource { resource, .. } = GroupResource::parse(head);
        Resource {
            resource: known.map_or(resource, |r| r.resource.to_owned()),
            group: group.map(str::to_owned),
        }
    }

    pub(crate) fn takes(&self, name: Option<&EtcdName<'_>>, etcd_key: &[u8]) -> bool {
        if let Some(wanted) = &self.etcd_key {
            return wanted == etcd_key;
        }
        let Some(found) = name else {
            return false;
        };
        let resource = self.resource.as_ref().is_none_or(|wanted| {
            wanted.resource == found.resource
                && wanted
                    .group
                    .as_deref()
                    .is_none_or(|group| found.group == Some(group))
        });
        resource
            && self
                .namespace
                .as_deref()
                .is_none_or(|wanted| found.namespace == Some(wanted))
            && self
                .name
                .as_deref()
                .is_none_or(|wanted| found.name == wanted)
    }
}

#[cfg(test)]
mod tests {
    use k8s_object::EtcdName;

    use super::Selection;

    fn takes(resource: &str, key: &str) -> bool {
        let selection = Selection {
            resource: Some(Selection::resource_named(resource)),
            ..Selection::default()
        };
        selection.takes(
            EtcdName::from_etcd_key(key.as_bytes(), None).as_ref(),
            key.as_bytes(),
        )
    }

    #[test]
    fn resources_are_named_as_kubectl_takes_them() {
        for name in ["secrets", "Secret", "secret", "SECRETS"] {
            assert!(takes(name, "/registry/secrets/ns/a"), "{name}");
        }
        for name in [
            "deploy",
            "deployments",
            "deployments.apps",
            "Deployment.apps",
        ] {
            assert!(takes(name, "/registry/deployments/ns/a"), "{name}");
        }
        assert!(takes("nodes", "/registry/minions/a"));
        assert!(takes("widgets", "/registry/example.com/widgets/ns/a"));
        assert!(takes(
            "widgets.example.com",
            "/registry/example.com/widgets/ns/a"
        ));
        assert!(!takes(
            "widgets.example.org",
            "/registry/example.com/widgets/ns/a"
        ));
        assert!(!takes(
            "deployments.extensions",
            "/registry/deployments/ns/a"
        ));
        assert!(!takes("configmaps", "/registry/secrets/ns/a"));
    }
}
