package main

import (
	"context"
	"errors"

	"github.com/k8senc/k8senc/kms-plugin/aws"
	"github.com/k8senc/k8senc/kms-plugin/azure"
	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/daemon"
	"github.com/k8senc/k8senc/kms-plugin/gcp"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/pkcs11"
	"github.com/k8senc/k8senc/kms-plugin/vault"
)

type configKey = config.Key

// backends are those that are compiled in.
func backends() daemon.Backends {
	return daemon.Backends{
		"aws":    remote(kek.AWS, aws.New),
		"azure":  remote(kek.Azure, azure.New),
		"gcp":    remote(kek.GCP, gcp.New),
		"pkcs11": remote(kek.PKCS11, pkcs11.New),
		"vault":  remote(kek.Transit, vault.New),
	}.WithLocal()
}

// remote is a backend whose configuration is a Config and whose New opens it.
func remote[Config any, Validator interface {
	*Config
	kek.Validator
}, Backend kek.Backend](kind kek.Kind, open func(context.Context, Config) (Backend, error)) daemon.Backend {
	return daemon.Backend{
		Kind:   kind,
		Config: func() kek.Validator { return Validator(new(Config)) },
		Open: func(ctx context.Context, settings kek.Validator) (kek.Backend, error) {
			own, ok := settings.(Validator)
			if !ok {
				return nil, errors.New("the configuration is not one of this backend")
			}
			opened, err := open(ctx, *own)
			if err != nil {
				// Not the backend's own nil pointer, which is no nil interface.
				return nil, err
			}
			return opened, nil
		},
	}
}
