package main

import (
	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/daemon"
)

type configKey = config.Key

// backends are those that are compiled in.
func backends() daemon.Backends {
	return daemon.Backends{}.WithLocal()
}
