//! Etcd keys. The expected paths of built-in resources are those that Kubernetes' own storage
//! test lists (`test/integration/etcd/data.go`, `ExpectedEtcdPath`), with its namespace.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's helper fails its test"
)]

use k8s_object::{EtcdKey, EtcdName, group_of, parse_etcd_key};

fn name(key: &str) -> EtcdName<'_> {
    EtcdName::from_etcd_key(key.as_bytes(), None).unwrap_or_else(|| panic!("{key} names no object"))
}

/// group, resource, namespace and name, written as `resource.group namespace name`.
fn read(key: &str) -> String {
    let found = name(key);
    let namespace = found
        .namespace
        .map_or("-", |bytes| std::str::from_utf8(bytes).unwrap());
    format!(
        "{found} {namespace} {}",
        std::str::from_utf8(found.name).unwrap()
    )
}

#[test]
fn built_in_resources_where_upstream_stores_them() {
    let cases = [
        ("/registry/configmaps/ns/cm1", "configmaps ns cm1"),
        (
            "/registry/services/specs/ns/service1",
            "services ns service1",
        ),
        (
            "/registry/services/endpoints/ns/ep1name",
            "endpoints ns ep1name",
        ),
        (
            "/registry/controllers/ns/rc1",
            "replicationcontrollers ns rc1",
        ),
        ("/registry/minions/node1", "nodes - node1"),
        ("/registry/namespaces/namespace1", "namespaces - namespace1"),
        ("/registry/events/ns/event1", "events ns event1"),
        ("/registry/secrets/ns/secret1", "secrets ns secret1"),
        (
            "/registry/deployments/ns/deployment4",
            "deployments.apps ns deployment4",
        ),
        ("/registry/jobs/ns/job1", "jobs.batch ns job1"),
        (
            "/registry/ingress/ns/ingress3",
            "ingresses.networking.k8s.io ns ingress3",
        ),
        (
            "/registry/ingressclasses/ingressclass3",
            "ingressclasses.networking.k8s.io - ingressclass3",
        ),
        (
            "/registry/leases/ns/lease1",
            "leases.coordination.k8s.io ns lease1",
        ),
        (
            "/registry/deviceclasses/class4name",
            "deviceclasses.resource.k8s.io - class4name",
        ),
        (
            "/registry/resourceclaims/ns/claim4name",
            "resourceclaims.resource.k8s.io ns claim4name",
        ),
        (
            "/registry/storageversions/sv1.test",
            "storageversions.internal.apiserver.k8s.io - sv1.test",
        ),
        (
            "/registry/csinodes/csini2",
            "csinodes.storage.k8s.io - csini2",
        ),
        (
            "/registry/podsecuritypolicy/psp1",
            "podsecuritypolicies.policy - psp1",
        ),
        (
            "/registry/clusterroles/system:admin",
            "clusterroles.rbac.authorization.k8s.io - system:admin",
        ),
    ];
    for (key, expected) in cases {
        assert_eq!(read(key), expected, "{key}");
    }
}

#[test]
fn custom_resources_carry_their_group() {
    assert_eq!(
        read("/registry/apiextensions.k8s.io/customresourcedefinitions/x.example.com"),
        "customresourcedefinitions.apiextensions.k8s.io - x.example.com"
    );
    assert_eq!(
        read("/registry/cert-manager.io/certificates/ns/web"),
        "certificates.cert-manager.io ns web"
    );
    // A group may serve a plural that core has too.
    assert_eq!(
        read("/registry/example.com/secrets/ns/s"),
        "secrets.example.com ns s"
    );
}

#[test]
fn unknown_resources_have_no_group() {
    let found = name("/registry/widgets/ns/w");
    assert_eq!((found.group, found.resource), (None, "widgets"));
    // A dot in the first segment and nothing but a name after it is a resource.
    let found = name("/registry/odd.thing/w");
    assert_eq!(
        (found.group, found.resource, found.name),
        (None, "odd.thing", b"w".as_slice())
    );
}

#[test]
fn resources_without_a_rest_api_are_told_apart() {
    for (key, resource) in [
        ("/registry/masterleases/192.0.2.1", "apiserveripinfo"),
        (
            "/registry/peerserverleases/apiserver-1",
            "apiserverpeeripinfo",
        ),
        ("/registry/ranges/serviceips", "serviceipallocations"),
        (
            "/registry/ranges/secondaryserviceips",
            "serviceipallocations",
        ),
        (
            "/registry/ranges/servicenodeports",
            "servicenodeportallocations",
        ),
    ] {
        let found = name(key);
        assert_eq!(
            (found.resource, found.group, found.has_api),
            (resource, Some(""), false),
            "{key}"
        );
    }
    assert!(name("/registry/secrets/a/b").has_api);
}

#[test]
fn keys_that_are_no_objects() {
    assert_eq!(
        parse_etcd_key(b"compact_rev_key", None),
        EtcdKey::Housekeeping
    );
    assert_eq!(
        parse_etcd_key(b"/registry/health", None),
        EtcdKey::Housekeeping
    );
    assert_eq!(
        parse_etcd_key(b"/pki/health", Some(b"pki")),
        EtcdKey::Housekeeping
    );
    for foreign in [
        "",
        "/",
        "/registry",
        "/registry/",
        "/registry/secrets",
        "/registry//x/y",
        "/bootstrap/1a2b",
        "registry/secrets/a/b",
    ] {
        assert_eq!(
            parse_etcd_key(foreign.as_bytes(), None),
            EtcdKey::Foreign,
            "{foreign:?}"
        );
    }
}

#[test]
fn prefixes() {
    assert_eq!(read("/kubernetes.io/secrets/ns/s"), "secrets ns s");
    assert_eq!(
        read("/openshift.io/routes/ns/r"),
        "routes.route.openshift.io ns r"
    );
    assert_eq!(
        read("/openshift.io/oauth/accesstokens/sha256~x"),
        "oauthaccesstokens.oauth.openshift.io - sha256~x"
    );
    assert_eq!(
        read("/43da1478-5e9c-4ef3-a92a-2b19d540c8a5/registry/secrets/ns/s"),
        "secrets ns s"
    );
    // A namespace called `registry` does not move the prefix.
    assert_eq!(
        read("/registry/secrets/registry/s/t"),
        "secrets registry s/t"
    );

    let key = b"/cluster-a/secrets/ns/s";
    assert_eq!(parse_etcd_key(key, None), EtcdKey::Foreign);
    for prefix in ["cluster-a", "/cluster-a", "/cluster-a/", "//cluster-a//"] {
        let found = EtcdName::from_etcd_key(key, Some(prefix.as_bytes())).unwrap();
        assert_eq!(
            (found.resource, found.namespace),
            ("secrets", Some(b"ns".as_slice())),
            "{prefix}"
        );
    }
    assert_eq!(parse_etcd_key(key, Some(b"/cluster")), EtcdKey::Foreign);
    assert_eq!(
        parse_etcd_key(b"/registry/secrets/ns/s", Some(b"/cluster-a")),
        EtcdKey::Foreign
    );
    let bare = EtcdName::from_etcd_key(b"/secrets/ns/s", Some(b"/")).unwrap();
    assert_eq!(bare.name, b"s");
}

#[test]
fn a_name_that_is_not_utf8_still_belongs_to_its_resource() {
    // kube-apiserver lists by prefix, so it would read this value as a Secret.
    let found = EtcdName::from_etcd_key(b"/registry/secrets/\xff/\xfe", None).unwrap();
    assert_eq!(
        (found.resource, found.namespace, found.name),
        ("secrets", Some([0xff].as_slice()), [0xfe].as_slice())
    );
    assert_eq!(
        parse_etcd_key(b"/registry/\xff/ns/a", None),
        EtcdKey::Foreign
    );
}

#[test]
fn group_of_api_version() {
    assert_eq!(
        (group_of("v1"), group_of("apps/v1"), group_of("")),
        ("", "apps", "")
    );
}
