//! Faster native implementations of the k8senc crypto traits.
