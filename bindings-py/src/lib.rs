//! Python bindings of k8senc.
