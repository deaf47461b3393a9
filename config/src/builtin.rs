//! The resources of Kubernetes' own APIs, by release, so that a name that matches nothing is caught.

use crate::resource::GroupResource;
use crate::suggest::closest;
use crate::version::Version;

/// A resource that kube-apiserver stores by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiResource {
    /// Empty for the core group.
    pub group: &'static str,
    /// The plural name that rules use.
    pub resource: &'static str,
    /// The kind in manifests.
    pub kind: &'static str,
    /// What kubectl also takes.
    pub short_names: &'static [&'static str],
    /// The first release with it, alpha versions included.
    pub since: Version,
    /// The first release without it.
    pub until: Option<Version>,
}

impl ApiResource {
    /// The name as a rule has to have it.
    #[must_use]
    pub fn name(&self) -> String {
        GroupResource {
            group: self.group.to_owned(),
            resource: self.resource.to_owned(),
        }
        .to_string()
    }

    fn exists_in(&self, version: Version) -> bool {
        self.since <= version && self.until.is_none_or(|until| version < until)
    }
}

const fn row(
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
    since: u16,
) -> ApiResource {
    ApiResource {
        group,
        resource,
        kind,
        short_names,
        since: Version::new(since),
        until: None,
    }
}

const fn gone(row: ApiResource, until: u16) -> ApiResource {
    ApiResource {
        until: Some(Version::new(until)),
        ..row
    }
}

/// Every built-in resource that is stored. Events are stored in the core group, whatever group they are read from.
#[rustfmt::skip]
pub(crate) const RESOURCES: &[ApiResource] = &[
    row("", "configmaps", "ConfigMap", &["cm"], 7),
    row("", "endpoints", "Endpoints", &["ep"], 7),
    row("", "events", "Event", &["ev"], 7),
    row("", "limitranges", "LimitRange", &["limits"], 7),
    row("", "namespaces", "Namespace", &["ns"], 7),
    row("", "nodes", "Node", &["no"], 7),
    row("", "persistentvolumeclaims", "PersistentVolumeClaim", &["pvc"], 7),
    row("", "persistentvolumes", "PersistentVolume", &["pv"], 7),
    row("", "pods", "Pod", &["po"], 7),
    row("", "podtemplates", "PodTemplate", &[], 7),
    row("", "replicationcontrollers", "ReplicationController", &["rc"], 7),
    row("", "resourcequotas", "ResourceQuota", &["quota"], 7),
    row("", "secrets", "Secret", &[], 7),
    row("", "serviceaccounts", "ServiceAccount", &["sa"], 7),
    row("", "services", "Service", &["svc"], 7),
    row("admissionregistration.k8s.io", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", &[], 32),
    row("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", &[], 32),
    row("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", &[], 9),
    row("admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", &[], 26),
    row("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", &[], 26),
    row("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", &[], 9),
    row("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", &["crd", "crds"], 7),
    row("apiregistration.k8s.io", "apiservices", "APIService", &[], 7),
    row("apps", "controllerrevisions", "ControllerRevision", &[], 7),
    row("apps", "daemonsets", "DaemonSet", &["ds"], 8),
    row("apps", "deployments", "Deployment", &["deploy"], 7),
    row("apps", "replicasets", "ReplicaSet", &["rs"], 8),
    row("apps", "statefulsets", "StatefulSet", &["sts"], 7),
    row("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"], 7),
    row("batch", "cronjobs", "CronJob", &["cj"], 8),
    row("batch", "jobs", "Job", &[], 7),
    row("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", &["csr"], 7),
    row("certificates.k8s.io", "clustertrustbundles", "ClusterTrustBundle", &[], 26),
    row("certificates.k8s.io", "podcertificaterequests", "PodCertificateRequest", &[], 34),
    row("coordination.k8s.io", "leasecandidates", "LeaseCandidate", &[], 31),
    row("coordination.k8s.io", "leases", "Lease", &[], 12),
    row("discovery.k8s.io", "endpointslices", "EndpointSlice", &[], 16),
    row("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", &[], 17),
    row("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration", &[], 17),
    row("internal.apiserver.k8s.io", "storageversions", "StorageVersion", &[], 20),
    row("lifecycle.k8s.io", "evictionrequests", "EvictionRequest", &[], 37),
    row("networking.k8s.io", "ingressclasses", "IngressClass", &[], 18),
    row("networking.k8s.io", "ingresses", "Ingress", &["ing"], 14),
    row("networking.k8s.io", "ipaddresses", "IPAddress", &["ip"], 27),
    row("networking.k8s.io", "networkpolicies", "NetworkPolicy", &["netpol"], 7),
    row("networking.k8s.io", "servicecidrs", "ServiceCIDR", &[], 27),
    row("node.k8s.io", "runtimeclasses", "RuntimeClass", &[], 12),
    row("policy", "poddisruptionbudgets", "PodDisruptionBudget", &["pdb"], 7),
    gone(row("policy", "podsecuritypolicies", "PodSecurityPolicy", &["psp"], 10), 25),
    row("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", &[], 7),
    row("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", &[], 7),
    row("rbac.authorization.k8s.io", "rolebindings", "RoleBinding", &[], 7),
    row("rbac.authorization.k8s.io", "roles", "Role", &[], 7),
    row("resource.k8s.io", "deviceclasses", "DeviceClass", &[], 31),
    row("resource.k8s.io", "devicetaintrules", "DeviceTaintRule", &[], 33),
    gone(row("resource.k8s.io", "podschedulingcontexts", "PodSchedulingContext", &[], 27), 32),
    row("resource.k8s.io", "resourceclaims", "ResourceClaim", &[], 26),
    row("resource.k8s.io", "resourceclaimtemplates", "ResourceClaimTemplate", &[], 26),
    gone(row("resource.k8s.io", "resourceclasses", "ResourceClass", &[], 26), 31),
    row("resource.k8s.io", "resourceslices", "ResourceSlice", &[], 30),
    row("scheduling.k8s.io", "priorityclasses", "PriorityClass", &["pc"], 8),
    row("scheduling.k8s.io", "workloads", "Workload", &[], 35),
    row("storage.k8s.io", "csidrivers", "CSIDriver", &[], 14),
    row("storage.k8s.io", "csinodes", "CSINode", &[], 14),
    row("storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity", &[], 19),
    row("storage.k8s.io", "storageclasses", "StorageClass", &["sc"], 7),
    row("storage.k8s.io", "volumeattachments", "VolumeAttachment", &[], 9),
    row("storage.k8s.io", "volumeattributesclasses", "VolumeAttributesClass", &["vac"], 29),
    row("storagemigration.k8s.io", "storageversionmigrations", "StorageVersionMigration", &[], 30),
];

/// The built-in resources of a release.
pub fn resources(version: Version) -> impl Iterator<Item = &'static ApiResource> {
    RESOURCES.iter().filter(move |r| r.exists_in(version))
}

/// What a name in a rule will match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matches {
    /// A built-in resource, or a wildcard over a built-in group or over everything.
    BuiltIn,
    /// A built-in resource of other releases only.
    OtherRelease(&'static ApiResource),
    /// Perhaps a custom resource: the group has a dot and is not one of Kubernetes' own.
    Custom,
    /// Nothing; with the name that was probably meant.
    Nothing(Option<String>),
}

/// Judges one name of a rule.
#[must_use]
pub fn what_matches(name: &str, version: Version) -> Matches {
    let parsed = GroupResource::parse(name);
    let group_known =
        RESOURCES.iter().any(|r| r.group == parsed.group) || parsed.group == "events.k8s.io";
    if parsed.is_wildcard() {
        return match parsed.group.as_str() {
            "*" => Matches::BuiltIn,
            _ if group_known => Matches::BuiltIn,
            group if group.contains('.') => Matches::Custom,
            group => {
                let groups: Vec<&str> = RESOURCES
                    .iter()
                    .map(|r| r.group)
                    .filter(|g| !g.is_empty())
                    .collect();
                Matches::Nothing(closest(group, &groups).map(|near| format!("*.{near}")))
            }
        };
    }
    if let Some(exact) = RESOURCES
        .iter()
        .find(|r| r.group == parsed.group && r.resource == parsed.resource)
    {
        return if exact.exists_in(version) {
            Matches::BuiltIn
        } else {
            Matches::OtherRelease(exact)
        };
    }
    if parsed.group.contains('.') && !group_known && !parsed.resource.contains(['*', '/', ' ']) {
        return Matches::Custom;
    }
    Matches::Nothing(meant(&parsed, version))
}

fn meant(parsed: &GroupResource, version: Version) -> Option<String> {
    let word = parsed
        .resource
        .split('/')
        .next()
        .unwrap_or("")
        .trim()
        .to_lowercase();
    if word.is_empty() {
        return None;
    }
    let group = parsed.group.trim();
    let is = |r: &&ApiResource| {
        r.resource == word
            || r.kind.to_lowercase() == word
            || r.short_names.contains(&word.as_str())
            // A singular that is not the kind, such as "ingresse".
            || r.resource.strip_suffix('s') == Some(word.as_str())
    };
    let candidates = || resources(version).filter(is);
    if let Some(found) = candidates()
        .find(|r| r.group == group)
        .or_else(|| candidates().next())
    {
        return Some(found.name());
    }
    let same_group: Vec<&str> = resources(version)
        .filter(|r| r.group == group)
        .map(|r| r.resource)
        .collect();
    let near = closest(&word, &same_group).map(|resource| GroupResource {
        group: group.to_owned(),
        resource: resource.to_owned(),
    });
    if let Some(near) = near {
        return Some(near.to_string());
    }
    let all: Vec<&str> = resources(version).map(|r| r.resource).collect();
    let near = closest(&word, &all)?;
    resources(version)
        .find(|r| r.resource == near)
        .map(ApiResource::name)
}
