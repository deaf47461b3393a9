"""The commands of `k8senc`, one a module; each is loaded when it is called."""
