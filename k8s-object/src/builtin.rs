//! Where kube-apiserver keeps its own resources below the etcd prefix.
//!
//! Their keys hold no group (`apiserver`, `DefaultStorageFactory.ResourcePrefix`: the bare
//! resource name unless overridden), so the group comes from this table. Resources that
//! two groups serve are stored once, under the group that owns the storage: `events` in
//! core, `ingresses` in `networking.k8s.io`. Encryption rules are matched against that group.

/// One stored resource of kube-apiserver, or of the two OpenShift API servers.
pub(crate) struct Builtin {
    /// The path below the etcd prefix, without slashes at its ends.
    pub path: &'static str,
    /// The name in the API and in an EncryptionConfiguration.
    pub resource: &'static str,
    pub group: &'static str,
    pub namespaced: bool,
    /// Has no REST API, so only a wildcard rule can cover it.
    pub internal: bool,
}

const fn entry(
    path: &'static str,
    resource: &'static str,
    group: &'static str,
    namespaced: bool,
) -> Builtin {
    Builtin {
        path,
        resource,
        group,
        namespaced,
        internal: false,
    }
}

const fn namespaced(group: &'static str, resource: &'static str) -> Builtin {
    entry(resource, resource, group, true)
}

const fn cluster(group: &'static str, resource: &'static str) -> Builtin {
    entry(resource, resource, group, false)
}

const fn internal(path: &'static str, resource: &'static str) -> Builtin {
    Builtin {
        path,
        resource,
        group: "",
        namespaced: false,
        internal: true,
    }
}

/// The entry whose path starts `below_prefix`, and what follows that path and its slash.
pub(crate) fn find(below_prefix: &[u8]) -> Option<(&'static Builtin, &[u8])> {
    BUILTINS.iter().find_map(|builtin| {
        let rest = below_prefix.strip_prefix(builtin.path.as_bytes())?;
        match rest.strip_prefix(b"/") {
            Some(rest) => Some((builtin, rest)),
            // The allocators' keys end with the path: one object each, without a name.
            None if builtin.internal && rest.is_empty() => Some((builtin, rest)),
            None => None,
        }
    })
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const RESOURCE: &str = "resource.k8s.io";
const SCHEDULING: &str = "scheduling.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// The resources of Kubernetes 1.37, and stored ones of older releases back to 1.16. The most numerous come first.
static BUILTINS: &[Builtin] = &[
    namespaced("", "pods"),
    namespaced("", "events"),
    namespaced("", "secrets"),
    namespaced("", "configmaps"),
    namespaced("coordination.k8s.io", "leases"),
    namespaced("apps", "replicasets"),
    namespaced("discovery.k8s.io", "endpointslices"),
    namespaced("", "serviceaccounts"),
    entry("services/specs", "services", "", true),
    entry("services/endpoints", "endpoints", "", true),
    entry("minions", "nodes", "", false),
    entry("controllers", "replicationcontrollers", "", true),
    entry("ingress", "ingresses", NETWORKING, true),
    namespaced("apps", "controllerrevisions"),
    namespaced("apps", "daemonsets"),
    namespaced("apps", "deployments"),
    namespaced("apps", "statefulsets"),
    namespaced("batch", "cronjobs"),
    namespaced("batch", "jobs"),
    namespaced("", "limitranges"),
    namespaced("", "persistentvolumeclaims"),
    namespaced("", "podtemplates"),
    namespaced("", "resourcequotas"),
    cluster("", "namespaces"),
    cluster("", "persistentvolumes"),
    namespaced(RBAC, "rolebindings"),
    namespaced(RBAC, "roles"),
    cluster(RBAC, "clusterrolebindings"),
    cluster(RBAC, "clusterroles"),
    namespaced("autoscaling", "horizontalpodautoscalers"),
    namespaced("policy", "poddisruptionbudgets"),
    namespaced(NETWORKING, "networkpolicies"),
    cluster(NETWORKING, "ingressclasses"),
    cluster(NETWORKING, "ipaddresses"),
    cluster(NETWORKING, "servicecidrs"),
    cluster(ADMISSION, "mutatingadmissionpolicies"),
    cluster(ADMISSION, "mutatingadmissionpolicybindings"),
    cluster(ADMISSION, "mutatingwebhookconfigurations"),
    cluster(ADMISSION, "validatingadmissionpolicies"),
    cluster(ADMISSION, "validatingadmissionpolicybindings"),
    cluster(ADMISSION, "validatingwebhookconfigurations"),
    cluster(CERTIFICATES, "certificatesigningrequests"),
    cluster(CERTIFICATES, "clustertrustbundles"),
    namespaced(CERTIFICATES, "podcertificaterequests"),
    namespaced("coordination.k8s.io", "leasecandidates"),
    cluster("flowcontrol.apiserver.k8s.io", "flowschemas"),
    cluster(
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
    ),
    cluster("internal.apiserver.k8s.io", "storageversions"),
    namespaced("lifecycle.k8s.io", "evictionrequests"),
    namespaced("lifecycle.k8s.io", "evictions"),
    cluster("node.k8s.io", "runtimeclasses"),
    cluster(RESOURCE, "deviceclasses"),
    cluster(RESOURCE, "devicetaintrules"),
    namespaced(RESOURCE, "podschedulingcontexts"),
    namespaced(RESOURCE, "resourceclaims"),
    namespaced(RESOURCE, "resourceclaimtemplates"),
    cluster(RESOURCE, "resourcepoolstatusrequests"),
    cluster(RESOURCE, "resourceslices"),
    namespaced(SCHEDULING, "compositepodgroups"),
    namespaced(SCHEDULING, "podgroups"),
    cluster(SCHEDULING, "priorityclasses"),
    namespaced(SCHEDULING, "workloads"),
    cluster(STORAGE, "csidrivers"),
    cluster(STORAGE, "csinodes"),
    namespaced(STORAGE, "csistoragecapacities"),
    cluster(STORAGE, "storageclasses"),
    cluster(STORAGE, "volumeattachments"),
    cluster(STORAGE, "volumeattributesclasses"),
    cluster("storagemigration.k8s.io", "storageversionmigrations"),
    // Removed in 1.25.
    entry("podsecuritypolicy", "podsecuritypolicies", "policy", false),
    internal("masterleases", "apiserveripinfo"),
    internal("peerserverleases", "apiserverpeeripinfo"),
    internal("ranges/serviceips", "serviceipallocations"),
    // The second address family of a dual-stack cluster.
    internal("ranges/secondaryserviceips", "serviceipallocations"),
    internal("ranges/servicenodeports", "servicenodeportallocations"),
    // OpenShift, prefix /openshift.io/: the resources its API servers encrypt.
    namespaced("route.openshift.io", "routes"),
    entry(
        "oauth/accesstokens",
        "oauthaccesstokens",
        "oauth.openshift.io",
        false,
    ),
    entry(
        "oauth/authorizetokens",
        "oauthauthorizetokens",
        "oauth.openshift.io",
        false,
    ),
];
